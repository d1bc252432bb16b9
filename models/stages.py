"""A built network as people see it: stages of layers, what each makes, and what it costs."""

import re
from collections import Counter
from dataclasses import dataclass

import keras

from models.macs import count_params, layer_macs

# What a stage's contents say of its layers; norms, activations, paddings and dropout go along with these.
WORDS = {
    "Conv2D": "conv",
    "PointwiseConv2D": "conv",
    "DepthwiseConv2D": "depthwise conv",
    "PartialConv2D": "partial conv",
    "Subsampling": "subsampling",
    "CodeDistance": "distance to codes",
    "Dense": "dense",
    "MaxPooling2D": "max pool",
    "AveragePooling2D": "average pool",
    "GlobalAveragePooling2D": "global average pool",
    "Add": "sum",
    "Concatenate": "concat",
    "LocalResponseNormalization": "response norm",
    "Resizing": "resize",
}
_UNIT = re.compile(r"_((?:unit|layer)\d+)_")


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: As Keras has it.
        kind: Its class, and the sides of its kernel and its stride, in pixels: `Conv2D 3x3 /2`.
        word: What a stage calls it: `conv 3x3`; empty where it goes along with another.
        shape: Of what it makes, without the batch.
        params: Numbers in its weights.
        macs: Multiply-accumulates of one image.
    """

    name: str
    kind: str
    word: str
    shape: tuple[int, ...]
    params: int
    macs: int


@dataclass(frozen=True)
class Stage:
    """Layers in a row that belong together, by the first part of their names.

    Attributes:
        name: `stage2`.
        layers: In the order of the network.
        auxiliary: Whether it ends in a head that takes part in training alone.
    """

    name: str
    layers: tuple[Layer, ...]
    auxiliary: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what it makes, without the batch."""
        return self.layers[-1].shape

    @property
    def params(self) -> int:
        """Numbers in its weights."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def contents(self) -> str:
        """What it consists of, in words: `3 units, each 2 conv 3x3, sum; conv 1x1`."""
        units: dict[str, Counter[str]] = {}
        total = Counter(layer.word for layer in self.layers if layer.word)
        for layer in self.layers:
            if (found := _UNIT.search(f"{layer.name}_")) and layer.word:
                units.setdefault(found[1], Counter())[layer.word] += 1
        each = Counter(next(iter(units.values()), Counter()))
        for unit in units.values():
            each &= unit
        if len(units) < 2 or not each:
            return _listed(total)
        rest = total - Counter({word: count * len(units) for word, count in each.items()})
        kind = re.sub(r"\d", "", next(iter(units)))
        return "; ".join(filter(None, [f"{len(units)} {kind}s, each {_listed(each)}", _listed(rest)]))


def stages(network: keras.Model) -> tuple[Stage, ...]:
    """Divides a network into its stages, in their order.

    Layers without weights join a neighbour: the stage before while they make maps, the one after when they make
    vectors, as the mean over a map does, which begins the classifier.

    Args:
        network: As `models.create` makes it, or its outline.
    """
    groups: dict[str, list[Layer]] = {}
    for layer in network.layers:
        groups.setdefault(layer.name.split("_")[0], []).append(_layer(layer))
    heads = {name.split("_")[0] for name in network.output_names[1:]}
    found: list[Stage] = []
    waiting: list[Layer] = []
    for name, layers in groups.items():
        weightless = not any(layer.params for layer in layers)
        if weightless and len(layers[-1].shape) < 3:
            waiting += layers
        elif weightless and len(found) > 1:
            last = found.pop()
            found.append(Stage(last.name, (*last.layers, *layers), last.auxiliary))
        else:
            found.append(Stage(name, (*waiting, *layers), name in heads))
            waiting = []
    if waiting:  # A network may end in a mean, without a weight after it.
        found[-1] = Stage(found[-1].name, (*found[-1].layers, *waiting))
    return tuple(found)


def _layer(layer: keras.Layer) -> Layer:
    name = type(layer).__name__
    size, stride = (_pixels(getattr(layer, attribute, None)) for attribute in ("pool_size", "strides"))
    size = size or _pixels(getattr(layer, "kernel_size", None))
    kind = f"{name} {'x'.join(map(str, size))}".strip() + (f" /{max(stride)}" if stride and max(stride) > 1 else "")
    word = f"{WORDS[name]} {'x'.join(map(str, size))}".strip() if name in WORDS else ""
    return Layer(layer.name, kind, word, tuple(layer.output.shape[1:]), count_params(layer.weights), layer_macs(layer))


def _pixels(sides: object) -> tuple[int, ...]:
    return tuple(int(side) for side in sides) if isinstance(sides, tuple | list) else ()


def _listed(words: Counter[str]) -> str:
    """Lists what there is, with its number where there are several."""
    return ", ".join(f"{count} {word}" if count > 1 else word for word, count in words.items())
