import subprocess
import sys

from serving import protos
from serving.protos import generate


def test_descriptors_are_those_of_the_installed_package():
    stored = protos.FileDescriptorSet.FromString(protos.DESCRIPTORS.read_bytes())
    installed = generate.installed()
    assert [file.name for file in stored.file] == [file.name for file in installed.file]
    assert stored == installed, "run `python -m serving.protos.generate`"


def test_messages_are_wire_compatible_with_the_stubs_in_one_process():
    from tensorflow_serving.apis import predict_pb2

    theirs = predict_pb2.PredictRequest(output_filter=["y"])
    theirs.model_spec.version.value = 3
    theirs.inputs["x"].float_val.append(0.5)
    ours = protos.message("tensorflow.serving.PredictRequest").FromString(theirs.SerializeToString())
    assert type(ours) is not type(theirs)
    assert predict_pb2.PredictRequest.FromString(ours.SerializeToString()) == theirs


def test_import_is_quick_and_without_tensorflow():
    code = (
        "import sys, time; start = time.perf_counter(); import serving.client; "
        "assert not {'tensorflow', 'tensorflow_serving', 'filelock'} & set(sys.modules); "
        "print(time.perf_counter() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.5
