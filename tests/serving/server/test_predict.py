"""Predict over a real socket (contract P1 to P22, W)."""

import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2

from serving.server import tensors

ONES = np.ones([1, 2], np.float32)
DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"]
DTYPES += ["uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]
FIELDS = "float_val double_val int_val int64_val half_val bool_val uint32_val uint64_val scomplex_val dcomplex_val"


@pytest.fixture
def refuses(shared, refused):
    """Expects this request to be refused so."""

    def check(request: predict_pb2.PredictRequest, code: str, phrase: str) -> None:
        with refused(code, phrase):
            shared.prediction.Predict(request)

    return check


def test_P1_missing_model_spec_is_refused(refuses):
    refuses(predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec")


def test_P2_empty_model_name_is_refused(refuses):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "s"
    refuses(request, "INVALID_ARGUMENT", "ModelSpec has no name specified.")


def test_P3_highest_available_version_answers(shared):
    assert shared.factor("m") == 3


def test_P5_a_version_asked_for_answers(shared):
    assert shared.factor("m", version=1) == 1


def test_P4_unknown_model_is_not_found(refuses, predict_request):
    refuses(predict_request("nobody"), "NOT_FOUND", "Servable not found for request: Latest(nobody)")


def test_P4_P5_unknown_version_is_not_found_and_zero_is_a_version(refuses, predict_request):
    for number in (2, 0):
        request = predict_request("m", x=ONES)
        request.model_spec.version.value = number
        refuses(request, "NOT_FOUND", f"Servable not found for request: Specific(m, {number})")


@pytest.mark.parametrize("name", ["m", "nobody"])
def test_P6_unknown_label_is_refused(refuses, predict_request, name):
    request = predict_request(name, x=ONES)
    request.model_spec.version_label = "stable"
    refuses(request, "INVALID_ARGUMENT", "Unrecognized servable version label: stable")


def test_P7_missing_signature_is_refused_and_the_known_ones_are_named(refuses, predict_request):
    request = predict_request("m", "nope", x=ONES)
    refuses(request, "FAILED_PRECONDITION", 'Serving signature key "nope" not found.')
    refuses(request, "FAILED_PRECONDITION", "serving_default, spin")


def test_P9_number_of_inputs_must_match(refuses, predict_request):
    refuses(
        predict_request("zoo", "add", a=ONES),
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    )
    refuses(
        predict_request("zoo", "add", a=ONES, b=ONES, z=ONES),
        "INVALID_ARGUMENT",
        "3!=2 len({a,b,z}) != len({a,b}). Sent extra: {z}. Missing but required: {}.",
    )


def test_P10_wrong_input_name_is_refused(refuses, predict_request):
    phrase = "not found in request and no default value provided. Inputs expected to be in the request {x}"
    refuses(
        predict_request("m", wrong=ONES), "INVALID_ARGUMENT", "Signature input alias: x(feed name: serving_default_x:0)"
    )
    refuses(predict_request("m", wrong=ONES), "INVALID_ARGUMENT", phrase)


BAD_TENSORS = {
    "content too short": tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=b"1234567"),
    "too many values": tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1, 2, 3]),
    "no dtype": tensor_pb2.TensorProto(float_val=[1]),
    "no such dtype": tensor_pb2.TensorProto(dtype=77, float_val=[1]),
    "a reference dtype": tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT_REF, float_val=[1]),
    "string content": tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_content=b"abc"),
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
def test_P12_undecodable_tensor_is_refused(refuses, predict_request, kind):
    request = predict_request("m")
    request.inputs["x"].CopyFrom(BAD_TENSORS[kind])
    refuses(request, "INVALID_ARGUMENT", "tensor parsing error: x")


@pytest.mark.parametrize("sizes", [[-1, 2], [1 << 40, 2], [1 << 62, 1 << 62], [-2, -1]])
def test_P12_impossible_shape_is_refused_before_any_memory_is_taken(refuses, predict_request, sizes):
    request = predict_request("m")
    request.inputs["x"].CopyFrom(tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1]))
    for size in sizes:
        request.inputs["x"].tensor_shape.dim.add(size=size)
    refuses(request, "INVALID_ARGUMENT", "tensor parsing error: x")


def test_P12_values_and_content_are_read_and_the_last_value_is_repeated(shared, predict_request):
    forms = [
        {"float_val": [1, 2, 2, 2]},
        {"float_val": [1, 2]},
        {"tensor_content": np.array([1, 2, 2, 2], "<f4").tobytes()},
    ]
    for form in forms:
        request = predict_request("m")
        request.inputs["x"].CopyFrom(tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, **form))
        for _ in range(2):
            request.inputs["x"].tensor_shape.dim.add(size=2)
        assert list(shared.prediction.Predict(request).outputs["y"].float_val) == [3, 6, 6, 6]


def test_P12_no_values_are_zeros_or_empty_strings(shared, predict_request):
    request = predict_request("zoo", "text")
    request.inputs["text"].CopyFrom(tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING))
    request.inputs["text"].tensor_shape.dim.add(size=2)
    assert list(shared.prediction.Predict(request).outputs["length"].int_val) == [0, 0]


def test_P13_only_the_named_outputs_come_back(shared, predict_request):
    request = predict_request("m", x=ONES)
    request.output_filter.append("total")
    assert dict(shared.prediction.Predict(request).outputs).keys() == {"total"}


def test_P13_unknown_and_repeated_outputs_are_refused(refuses, predict_request):
    request = predict_request("m", x=ONES)
    request.output_filter.extend(["total", "total"])
    refuses(request, "INVALID_ARGUMENT", "duplicate output tensor alias: total")
    request.output_filter[1] = "z"
    phrase = "output tensor alias not found in signature: z Outputs expected to be in the set {total,y}."
    refuses(request, "INVALID_ARGUMENT", phrase)


def test_P14_checks_come_in_upstreams_order(refuses, predict_request):
    """Each request has every fault from one point of the order on, and hears of the first."""
    broken = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1, 2, 3])
    request = predict_request("nobody", "nope", y=ONES, z=ONES)
    request.output_filter.append("w")
    refuses(request, "NOT_FOUND", "Servable")
    request.model_spec.name = "m"
    refuses(request, "FAILED_PRECONDITION", "signature key")
    request.model_spec.signature_name = ""
    refuses(request, "INVALID_ARGUMENT", "input size")
    del request.inputs["z"]
    refuses(request, "INVALID_ARGUMENT", "input alias")
    del request.inputs["y"]
    request.inputs["x"].CopyFrom(broken)
    refuses(request, "INVALID_ARGUMENT", "tensor parsing error")
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones([7], np.float64)))
    refuses(request, "INVALID_ARGUMENT", "output tensor alias")
    request.output_filter[:] = []
    refuses(request, "INVALID_ARGUMENT", "Expects arg[0]")


def test_P15_answer_names_the_resolved_version_and_signature_and_no_label(shared, predict_request):
    spec = shared.prediction.Predict(predict_request("m", x=ONES)).model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 3, "serving_default")
    assert spec.WhichOneof("version_choice") == "version"


def test_P16_wrong_dtype_is_refused_not_cast(refuses, predict_request):
    phrase = "Expects arg[0] to be float but double is provided"
    refuses(predict_request("m", x=np.ones([1, 2])), "INVALID_ARGUMENT", phrase)
    phrase = "Expects arg[1] to be float but string is provided"
    refuses(predict_request("zoo", "add", a=ONES, b=[[b"1", b"2"]]), "INVALID_ARGUMENT", phrase)


def test_P17_the_graph_decides_on_unequal_batches(shared, refuses, predict_request):
    three, four = np.ones([3, 2], np.float32), np.ones([4, 2], np.float32)
    refuses(predict_request("zoo", "add", a=three, b=four), "INVALID_ARGUMENT", "Incompatible shapes: [3,2] vs. [4,2]")
    response = shared.prediction.Predict(predict_request("zoo", "add", a=three, b=ONES))
    assert list(response.outputs["sum"].float_val) == [2] * 6


@pytest.mark.parametrize("shape", [[8, 8, 1], [1, 8, 8, 1, 1], [64], []])
def test_W14_P18_wrong_rank_is_refused_and_the_process_lives(shared, refuses, predict_request, shape):
    """Unchecked, a wrong rank in a convolution aborts the process (tensorflow#111453)."""
    request = predict_request("zoo", "conv", images=np.ones(shape, np.float32))
    refuses(
        request, "INVALID_ARGUMENT", "Input `images` must have shape [?,8,8,1]. Received: [" + ",".join(map(str, shape))
    )
    request = predict_request("zoo", "conv", images=np.ones([2, 8, 8, 1], np.float32))
    assert shared.prediction.Predict(request).outputs["maps"].float_val[9] == 9


def test_P18_wrong_fixed_size_is_refused(refuses, predict_request):
    request = predict_request("m", x=np.ones([3, 5], np.float32))
    refuses(request, "INVALID_ARGUMENT", "Input `x` must have shape [?,2]. Received: [3,5].")


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_P18_unknown_rank_takes_all(shared, predict_request, rank):
    request = predict_request("zoo", "shapeless", any=np.ones([1] * rank, np.float32))
    assert list(shared.prediction.Predict(request).outputs["rank"].int_val) == [rank]


def test_P19_a_batch_of_no_rows_runs(shared, predict_request):
    y = shared.prediction.Predict(predict_request("m", x=np.ones([0, 2], np.float32))).outputs["y"]
    assert [dim.size for dim in y.tensor_shape.dim] == [0, 2]
    assert not y.float_val


@pytest.mark.parametrize("name", DTYPES)
def test_P20_every_dtype_fills_its_typed_field_and_no_other(shared, predict_request, name):
    values = np.array([0, 1, 100, 1], np.int64)
    proto = shared.prediction.Predict(predict_request("zoo", "cast", values=values)).outputs[name]
    dtype = tf.as_dtype(name)
    assert (proto.dtype, proto.tensor_content) == (dtype.as_datatype_enum, b"")
    filled = [field for field in FIELDS.split() if getattr(proto, field)]
    assert len(filled) == 1
    assert len(getattr(proto, filled[0])) == (8 if dtype.is_complex else 4)
    np.testing.assert_array_equal(tf.make_ndarray(proto), tf.cast(values, dtype).numpy())
    np.testing.assert_array_equal(tensors.decode(proto), tf.cast(values, dtype).numpy())


def test_P20_strings_go_both_ways(shared, predict_request):
    outputs = shared.prediction.Predict(predict_request("zoo", "text", text=[b"ab", b"\xff\x00c", b""])).outputs
    assert list(outputs["upper"].string_val) == [b"AB", b"\xff\x00C", b""]
    assert list(outputs["length"].int_val) == [2, 3, 0]


def test_W3_W4_unknown_methods_are_unimplemented(shared):
    for method in ("PredictionService/PredictStreamed", "SessionService/SessionRun"):
        with pytest.raises(grpc.RpcError) as caught:
            shared.channel.unary_unary(f"/tensorflow.serving.{method}")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_W8_long_messages_are_cut(shared, predict_request):
    with pytest.raises(grpc.RpcError) as caught:
        shared.prediction.Predict(predict_request("n" * 2000))
    assert len(caught.value.details()) == 1024 + len("...TRUNCATED")
    assert caught.value.details().endswith("...TRUNCATED")


def test_W9_requests_and_answers_may_exceed_4_mib(shared, predict_request):
    rows = np.ones([700_000, 2], np.float32)
    assert len(shared.prediction.Predict(predict_request("m", x=rows)).outputs["y"].float_val) == rows.size


def test_W10_the_deadline_ends_the_run_itself(serve, publish_linear, tmp_path, predict_request, refused):
    """Else the run would go on for an hour, and the server could not stop."""
    publish_linear(tmp_path, 1)
    client = serve(model_base_path=str(tmp_path))
    begin = time.monotonic()
    with refused("DEADLINE_EXCEEDED", ""):
        client.prediction.Predict(predict_request("m", "spin", steps=np.int64(10**9)), timeout=0.2)
    client.server.stop()
    assert time.monotonic() - begin < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unload")]


def test_W12_a_second_server_on_the_port_fails(shared, serve, refused, tmp_path):
    with refused("UNAVAILABLE", f"`port` must be free. Received: 127.0.0.1:{shared.server.port}"):
        serve(model_base_path=str(tmp_path), port=shared.server.port)


@pytest.fixture
def with_default(serve, publish_linear, tmp_path):
    """A server of a `Linear` whose signature says what `x` is where a request does not."""

    def add_default(path):
        file = path / "saved_model.pb"
        model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        signature = model.meta_graphs[0].signature_def["serving_default"]
        signature.defaults["x"].CopyFrom(tf.make_tensor_proto(np.array([[5, 7]], np.float32)))
        file.write_bytes(model.SerializeToString())

    publish_linear(tmp_path, 1, edit=add_default)
    return serve(model_base_path=str(tmp_path))


def test_P11_a_default_stands_in_for_a_missing_input(with_default, predict_request):
    assert list(with_default.prediction.Predict(predict_request("m")).outputs["y"].float_val) == [5, 7]
    assert list(with_default.prediction.Predict(predict_request("m", x=ONES)).outputs["y"].float_val) == [1, 1]


def test_P11_an_unknown_name_beside_a_default_is_refused(with_default, predict_request, refused):
    with refused("INVALID_ARGUMENT", "Inputs contains invalid name. Used request inputs: {}, request input: {z}"):
        with_default.prediction.Predict(predict_request("m", z=ONES))
