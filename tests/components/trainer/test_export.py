"""The exported SavedModel: its signatures, its answers, its weights."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

import models
from components.dataset_gen import scans
from components.trainer import export
from components.trainer.input_pipeline import PixelStatistics

CLASS_NAMES = [f"digit {digit}" for digit in range(10)]
SHAPE = (8, 8, 1)

ANSWER = {
    "probabilities": ("float32", [None, 10]),
    "class_id": ("int64", [None]),
    "class_name": ("string", [None]),
}
# What clients of any language rely on; DESIGN.md has the same table. Changing it breaks them.
SIGNATURES = {
    "serving_default": ({"image_bytes": ("string", [None])}, ANSWER),
    "pixels": ({"images": ("uint8", [None, 8, 8, 1])}, ANSWER),
    "classify": (
        {"inputs": ("string", [None])},
        {"classes": ("string", [None, 10]), "scores": ("float32", [None, 10])},
    ),
}


# With and without batch normalisation, dropout, biases and a dense head: more networks would add time, no case.
@pytest.fixture(scope="module", params=["lenet5", "allcnn_c", "resnet20", "mobilenet"])
def exported(request, tmp_path_factory):
    """Exports an architecture with weights none of which is zero; returns model and folder."""
    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    network = models.create(request.param, input_shape=SHAPE, num_classes=10, form="small")
    for weight in network.weights:
        weight.assign_add(random.uniform(-0.01, 0.01, weight.shape))
    for weight in network.get_layer("logits").weights:
        weight.assign(weight * 0.05)  # Untrained, a deep network is sure of the same class for every image.
    model = export.pixel_model(network, PixelStatistics((77.5,), (9000.0,)), SHAPE)
    path = tmp_path_factory.mktemp(request.param) / "saved"
    export.export(model, CLASS_NAMES, SHAPE, str(path))
    return model, path


def described(tensors):
    return {
        name: (
            tf.as_dtype(info.dtype).name,
            [None if size.size == -1 else size.size for size in info.tensor_shape.dim],
        )
        for name, info in tensors.items()
    }


def test_the_signatures_are_these(exported):
    """Names, dtypes and shapes, as any client reads them: out of saved_model.pb."""
    saved = saved_model_pb2.SavedModel.FromString((exported[1] / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    found = {
        name: (described(signature.inputs), described(signature.outputs))
        for name, signature in graph.signature_def.items()
        if name != "__saved_model_init_op"
    }
    assert found == SIGNATURES
    assert {graph.signature_def[name].method_name for name in found} == {"tensorflow/serving/predict"}


def test_one_image_gets_one_answer_by_every_signature(exported):
    model, path = exported
    pixels = scans.load_images()[0][:6]
    logits = model(pixels, training=False).numpy()
    expected = tf.nn.softmax(logits).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3, "six images that are answered alike would prove nothing"
    signatures = tf.saved_model.load(str(path)).signatures
    encoded = tf.constant([png(image) for image in pixels])
    examples = tf.constant([example(image) for image in encoded.numpy()])
    by_bytes = signatures["serving_default"](image_bytes=encoded)
    by_pixels = signatures["pixels"](images=tf.constant(pixels))
    by_example = signatures["classify"](inputs=examples)
    for found in (by_bytes["probabilities"], by_pixels["probabilities"], by_example["scores"]):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(by_example["classes"], [[name.encode() for name in CLASS_NAMES]] * 6)
    for found in (by_bytes, by_pixels):
        assert found["class_id"].numpy().tolist() == expected.argmax(axis=1).tolist()
        assert found["class_name"].numpy().tolist() == [CLASS_NAMES[i].encode() for i in expected.argmax(axis=1)]


def test_the_answer_does_not_depend_on_the_batch(exported):
    pixels = scans.load_images()[0][:6]
    signature = tf.saved_model.load(str(exported[1])).signatures["pixels"]
    together = signature(images=tf.constant(pixels))["probabilities"]
    alone = [signature(images=tf.constant(image[np.newaxis]))["probabilities"][0] for image in pixels]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_weights_are_in_the_file_once_and_nothing_else_is(exported):
    model, path = exported
    variables = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    shapes = variables.get_variable_to_shape_map()
    dtypes = variables.get_variable_to_dtype_map()
    stored = [name for name in shapes if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert len(stored) == len(model.weights)
    assert {dtypes[name] for name in stored} == {tf.float32}
    weights = sum(int(np.prod(shapes[name])) * dtypes[name].size for name in stored)
    assert weights == sum(weight.numpy().nbytes for weight in model.weights)
    file = sum(part.stat().st_size for part in (path / "variables").glob("variables.data-*"))
    assert weights <= file < weights * 1.05 + 100_000


def test_the_graph_keeps_no_copy_of_the_weights(exported):
    model, path = exported
    graph = (path / "saved_model.pb").stat().st_size
    assert graph < 2_000_000, f"{graph} bytes of graph beside {model.count_params()} parameters"


def test_what_is_no_image_is_refused_by_both_encoded_signatures(exported):
    signatures = tf.saved_model.load(str(exported[1])).signatures
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["serving_default"](image_bytes=tf.constant([b"seven"]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["classify"](inputs=tf.constant([example(b"seven")]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["classify"](inputs=tf.constant([tf.train.Example().SerializeToString()]))


def png(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


def example(encoded):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    return tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()
