"""A trained network into the one that answers: float32, no auxiliary heads, batch norms folded into convolutions.

In inference a batch norm multiplies each map by a number and adds another. After a convolution the multiplication can
be done to the kernel and the addition to the bias, once, exactly but for rounding; the norm is gone. It is not possible
where a ReLU or a concatenation stands between the two, as before each layer of a DenseNet, or where anything else reads
what the convolution made.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def for_inference(network: keras.Model) -> keras.Model:
    """Returns a copy of a functional network for inference: same images in, the network's own logits out, in float32.

    Args:
        network: As `models.create` makes it: a graph of layers, none of which is itself a network. It stays as it is.
    """
    trunk = keras.Model(network.input, network.outputs[0], name=network.name)
    norms = _foldable(trunk)
    gone = {norm.name for norm in norms.values()}

    def copy(layer: keras.Layer) -> keras.Layer:
        bias = {"use_bias": True} if layer.name in norms else {}
        return type(layer).from_config({**layer.get_config(), **bias, "dtype": "float32"})

    def call(layer: keras.Layer, *inputs: object, **options: object) -> object:
        return inputs[0] if layer.name in gone else layer(*inputs, **options)

    copied = keras.models.clone_model(trunk, clone_function=copy, call_function=call)
    for layer in trunk.layers:
        if layer.name in norms:
            copied.get_layer(layer.name).set_weights(_folded_weights(layer, norms[layer.name]))
        elif layer.weights and layer.name not in gone:
            # Copies: JAX's trainer frees the arrays that it trains on, and with them those that another model shares.
            copied.get_layer(layer.name).set_weights([keras.ops.copy(weight) for weight in layer.weights])
    return copied


def _foldable(network: keras.Model) -> dict[str, keras.layers.BatchNormalization]:
    """Finds the convolutions that one batch norm reads and nothing else: name of the convolution to its norm."""
    read_by = _reads(network)
    readers = defaultdict(list)
    for reader, sources in read_by.items():
        for source in sources:
            readers[source].append(reader)
    layers = {layer.name: layer for layer in network.layers}
    found = {}
    for name, norm in layers.items():
        match read_by[name]:
            # One source each: a layer that shares its weights among several calls reads something in each of them.
            case [source] if readers[source] == [name] and len(read_by[source]) == 1:
                if _folds(layers.get(source), norm):
                    found[source] = norm
    return found


def _reads(network: keras.Model) -> dict[str, list[str]]:
    """Returns the names of the layers whose outputs each layer reads, and the end of the network, called `""`.

    The config is the one public account of which calls belong to this network; a layer may also have others.
    """
    config = network.get_config()
    reads = {layer["name"]: list(_sources(layer["inbound_nodes"])) for layer in config["layers"]}
    return {**reads, "": [config["output_layers"][0]]}


def _sources(arguments: Any) -> Iterator[str]:
    """Yields the layer behind each tensor among the arguments of serialized calls."""
    if isinstance(arguments, Mapping):
        if "keras_history" in arguments:
            yield arguments["keras_history"][0]
        arguments = list(arguments.values())
    if isinstance(arguments, Sequence) and not isinstance(arguments, str):
        for argument in arguments:
            yield from _sources(argument)


def _folds(layer: keras.Layer | None, norm: keras.Layer) -> bool:
    if not isinstance(layer, CONVOLUTIONS) or not isinstance(norm, keras.layers.BatchNormalization):
        return False
    maps_axis = 3 if layer.data_format == "channels_last" else 1
    return layer.activation is keras.activations.linear and norm.axis % 4 == maps_axis


def _folded_weights(layer: keras.Layer, norm: keras.layers.BatchNormalization) -> list[keras.KerasTensor]:
    kernel, *biases = (keras.ops.cast(weight, "float32") for weight in layer.weights)
    mean, variance = (keras.ops.cast(weight, "float32") for weight in (norm.moving_mean, norm.moving_variance))
    scale = keras.ops.rsqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * keras.ops.cast(norm.gamma, "float32")
    shift = ((biases[0] if biases else 0.0) - mean) * scale
    if norm.center:
        shift = shift + keras.ops.cast(norm.beta, "float32")
    # The last axis of a kernel counts its maps; that of a depthwise one, the maps made of each that it reads.
    maps = kernel.shape[2:] if isinstance(layer, keras.layers.DepthwiseConv2D) else (-1,)
    return [kernel * keras.ops.reshape(scale, maps), shift]
