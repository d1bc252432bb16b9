"""The exported SavedModel: its signatures, its answers, its weights."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

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
from models.inference import for_inference

CLASS_NAMES = [f"digit {digit}" for digit in range(10)]
SMALL = (8, 8, 1)

ANSWER = {
    "probabilities": ("float32", [None, 10]),
    "class_id": ("int64", [None]),
    "class_name": ("string", [None]),
}
# What clients of any language rely on; DESIGN.md has the same table. Changing it breaks them.
SIGNATURES = {
    "serving_default": ({"image_bytes": ("string", [None])}, ANSWER),
    "pixels": ({"images": ("uint8", [None, "H", "W", "C"])}, ANSWER),
    "classify": (
        {"inputs": ("string", [None])},
        {"classes": ("string", [None, 10]), "scores": ("float32", [None, 10])},
    ),
}

# A small member of each family, and GoogLeNet as the paper has it, with heads: name, form, image shape, options and how
# many batch norms are served: those of a DenseNet stand before its convolutions, behind concatenations.
FLEET = {
    "lenet5": ("lenet5", "small", SMALL, {}, 0),
    "lenet5_1998": ("lenet5_1998", "small", SMALL, {}, 0),
    "alexnet": ("alexnet", "small", SMALL, {"batch_norm": True}, 0),
    "vgg11": ("vgg11", "small", SMALL, {}, 0),
    "googlenet": ("googlenet", "paper", (65, 65, 3), {"batch_norm": True}, 0),
    "resnet20": ("resnet20", "small", SMALL, {}, 0),
    "densenet40": ("densenet40", "small", SMALL, {}, 39),
    "allcnn_c": ("allcnn_c", "small", SMALL, {}, 0),
    "mobilenet": ("mobilenet", "small", SMALL, {"alpha": 0.5}, 0),
}


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was trained, what of it was exported and where to, and what is loaded from there."""

    trained: keras.Model
    served: keras.Model
    path: Path
    signatures: Mapping
    pixels: np.ndarray
    norms: int

    @property
    def shape(self):
        return self.pixels.shape[1:]

    @property
    def graph(self):
        saved = saved_model_pb2.SavedModel.FromString((self.path / "saved_model.pb").read_bytes())
        (graph,) = saved.meta_graphs
        return graph

    @property
    def probabilities(self):
        logits = self.trained(self.pixels, training=False)
        return tf.nn.softmax(logits if len(logits.shape) == 2 else logits[:, 0]).numpy()


@pytest.fixture(scope="module", params=FLEET)
def exported(request, tmp_path_factory):
    """Exports an architecture as the Trainer does, with weights and statistics that no initializer gives."""
    name, form, shape, options, norms = FLEET[request.param]
    keras.utils.set_random_seed(7)
    network = models.create(name, input_shape=shape, num_classes=10, form=form, **options)
    pixels = scans.load_images()[0][:6] if shape == SMALL else noise((6, *shape))
    statistics = PixelStatistics((77.5,) * shape[2], (9000.0,) * shape[2])
    trained = export.pixel_model(network, statistics, shape)
    unsettle(network)
    tell_apart(network, trained(pixels, training=False).numpy())
    served = export.pixel_model(for_inference(network), statistics, shape)
    path = tmp_path_factory.mktemp(name) / "saved"
    export.export(served, CLASS_NAMES, shape, str(path))
    return Exported(trained, served, path, tf.saved_model.load(str(path)).signatures, pixels, norms)


def noise(shape):
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


def unsettle(network):
    random = np.random.default_rng(7)
    for weight in network.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(random.normal(0, 0.2, weight.shape))


def tell_apart(network, logits):
    """Scales the last layer so that probabilities differ: a random network is sure of one class for every image."""
    own = logits if logits.ndim == 2 else logits[:, 0]
    layer = network.get_layer("logits")
    if isinstance(layer, keras.layers.Dense):
        scale = 4 / np.ptp(own, axis=0).max()
        kernel, bias = layer.weights
        bias.assign((bias - own.mean(axis=0)) * scale)
        kernel.assign(kernel * scale)


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
    graph = exported.graph
    assert list(graph.meta_info_def.tags) == ["serve"]
    found = {
        name: (described(signature.inputs), described(signature.outputs))
        for name, signature in graph.signature_def.items()
        if name != "__saved_model_init_op"
    }
    assert found["pixels"][0] == {"images": ("uint8", [None, *exported.shape])}
    assert {**found, "pixels": (SIGNATURES["pixels"][0], found["pixels"][1])} == SIGNATURES
    assert {graph.signature_def[name].method_name for name in found} == {"tensorflow/serving/predict"}


def test_one_image_gets_one_answer_by_every_signature_and_from_the_trained_model(exported):
    expected = exported.probabilities
    assert np.ptp(expected, axis=0).max() > 0.05, "images that are answered alike would prove nothing"
    encoded = tf.constant([png(image) for image in exported.pixels])
    examples = tf.constant([example(image) for image in encoded.numpy()])
    by_bytes = exported.signatures["serving_default"](image_bytes=encoded)
    by_pixels = exported.signatures["pixels"](images=tf.constant(exported.pixels))
    by_example = exported.signatures["classify"](inputs=examples)
    for found in (by_bytes["probabilities"], by_pixels["probabilities"], by_example["scores"]):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(by_example["classes"], [[name.encode() for name in CLASS_NAMES]] * 6)
    for found in (by_bytes, by_pixels):
        assert found["class_id"].numpy().tolist() == expected.argmax(axis=1).tolist()
        assert found["class_name"].numpy().tolist() == [CLASS_NAMES[i].encode() for i in expected.argmax(axis=1)]


def test_the_answer_does_not_depend_on_the_batch(exported):
    signature = exported.signatures["pixels"]
    together = signature(images=tf.constant(exported.pixels))["probabilities"]
    alone = [signature(images=tf.constant(image[np.newaxis]))["probabilities"][0] for image in exported.pixels]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)


def test_weights_are_in_the_file_once_and_nothing_else_is(exported):
    variables = tf.train.load_checkpoint(str(exported.path / "variables" / "variables"))
    shapes = variables.get_variable_to_shape_map()
    dtypes = variables.get_variable_to_dtype_map()
    stored = [name for name in shapes if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert len(stored) == len(exported.served.weights)
    assert {dtypes[name] for name in stored} == {tf.float32}
    weights = sum(int(np.prod(shapes[name])) * dtypes[name].size for name in stored)
    assert weights == exported.served.count_params() * 4
    file = sum(part.stat().st_size for part in (exported.path / "variables").glob("variables.data-*"))
    assert weights <= file < weights * 1.05 + 100_000


def nodes(exported):
    graph = exported.graph.graph_def
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


def test_the_graph_keeps_no_copy_of_the_weights(exported):
    constants = sum(node.attr["value"].tensor.ByteSize() for node in nodes(exported) if node.op == "Const")
    assert constants < 100_000, f"{constants} bytes of constants beside {exported.served.count_params()} parameters"


def test_the_graph_normalises_only_where_no_convolution_could(exported):
    """A batch norm is one op in a graph that trains, and takes one reciprocal root in a graph that does not."""
    graph = exported.signatures["pixels"].graph.as_graph_def()
    operations = [node.op for function in graph.library.function for node in function.node_def]
    operations += [node.op for node in graph.node]
    assert not [operation for operation in operations if operation.startswith("FusedBatchNorm")]
    assert operations.count("Rsqrt") == exported.norms


def test_what_is_no_image_is_refused_by_both_encoded_signatures(exported):
    signatures = exported.signatures
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["serving_default"](image_bytes=tf.constant([b"seven"]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["classify"](inputs=tf.constant([example(b"seven")]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["classify"](inputs=tf.constant([tf.train.Example().SerializeToString()]))


def png(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def example(encoded):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    return tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()
