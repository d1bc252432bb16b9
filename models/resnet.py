"""ResNet: layers that learn what to add.

Deeper plain networks were worse, on the training set too: not for want of capacity, but because a stack of layers
struggles to learn even to leave its input alone. The paper lets each pair of layers learn only the difference, and adds
the input back (the lecture's first ResNet figure): doing nothing is now the starting point, and a hundred layers train.

Two designs share it. For ImageNet (the lecture's table) a 7x7 stem and a pool cut 224 pixels to 56, and four stages
follow; from 50 layers on a unit is a bottleneck, 1x1 down, 3x3, 1x1 up to four times the maps, which buys depth for few
weights. For CIFAR (section 4.2) a 3x3 stem and three stages of n units with 16, 32 and 64 maps make 6n + 2 layers.

Where a unit changes the shape, the input that is added back must change too. Option A takes every second pixel and
fills up with maps of zeros, at no weights; option B projects with a 1x1 convolution there; option C projects always.
The row of the lecture's table that is called FLOPs counts multiply-adds, which is what Convoy calls MACs.
"""

from collections.abc import Sequence
from dataclasses import replace

import keras

from models.layers import Norm, classifier, conv, conv_relu, max_pool


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    units: Sequence[int],
    widths: Sequence[int],
    bottleneck: bool = False,
    stem: str = "small",
    shortcut: str = "b",
    v1_5: bool = False,
    residual_scale: float = 1.0,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds a ResNet; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        units: Residual units of each stage.
        widths: Maps of each stage, a quarter of what a bottleneck ends with; all stages but the first halve the side.
        bottleneck: Whether a unit is 1x1, 3x3, 1x1, or two 3x3.
        stem: `imagenet`, a 7x7 convolution of stride 2 and a pool, or `small`, a 3x3 convolution.
        shortcut: What is added back where the shape changes: option `a`, `b` or `c` of the paper.
        v1_5: Whether a bottleneck halves the side in its 3x3 convolution, as torchvision does, and not in the first
            1x1, as the paper does; same weights, 6 % more work, half a point more accuracy on ImageNet.
        residual_scale: What the last norm of a unit multiplies by before training. The paper starts at 1, where each
            unit adds as much again to what it carries; near 0 a unit starts as doing nothing, which helps where
            training is short (Goyal et al. 2017, section 5.1, start at 0).
        bn_momentum: Share of the moving statistics that survives a step.
    """
    norm = Norm(bn_momentum)
    if stem == "imagenet":
        x = conv_relu(inputs, widths[0], 7, strides=2, padding=3, norm=norm, name="stem")
        x = max_pool(x, 3, 2, padding=1, name="stem_pool")
    else:
        x = conv_relu(inputs, widths[0], 3, norm=norm, name="stem")
    for stage, (count, width) in enumerate(zip(units, widths, strict=True), start=1):
        for unit in range(1, count + 1):
            strides = 2 if stage > 1 and unit == 1 else 1
            name = f"stage{stage}_unit{unit}"
            convs = _bottleneck(width, strides, v1_5) if bottleneck else _basic(width, strides)
            x = _unit(x, convs, strides, shortcut=shortcut, norm=norm, residual_scale=residual_scale, name=name)
    return classifier(x, num_classes)


def _basic(width: int, strides: int) -> list[tuple[int, int, int]]:
    """Returns maps, size and stride of the convolutions of a basic unit."""
    return [(width, 3, strides), (width, 3, 1)]


def _bottleneck(width: int, strides: int, v1_5: bool) -> list[tuple[int, int, int]]:
    """Returns maps, size and stride of the convolutions of a bottleneck."""
    first, second = (1, strides) if v1_5 else (strides, 1)
    return [(width, 1, first), (width, 3, second), (4 * width, 1, 1)]


def _unit(
    x: keras.KerasTensor,
    convs: Sequence[tuple[int, int, int]],
    strides: int,
    *,
    shortcut: str,
    norm: Norm,
    residual_scale: float,
    name: str,
) -> keras.KerasTensor:
    carried = _shortcut(x, convs[-1][0], strides=strides, option=shortcut, norm=norm, name=f"{name}_shortcut")
    *inner, (last, size, _) = convs
    for number, (maps, side, step) in enumerate(inner, start=1):
        x = conv_relu(x, maps, side, strides=step, padding=side // 2, norm=norm, name=f"{name}_conv{number}")
    x = conv(x, last, size, name=f"{name}_conv{len(convs)}")
    x = replace(norm, scale=residual_scale)(x, name=f"{name}_conv{len(convs)}")
    x = keras.layers.Add(name=f"{name}_add")([carried, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _shortcut(
    x: keras.KerasTensor, maps: int, *, strides: int, option: str, norm: Norm, name: str
) -> keras.KerasTensor:
    same_shape = strides == 1 and maps == x.shape[-1]
    if same_shape and option != "c":
        return x
    if option == "a":
        return PaddedShortcut(maps, strides, name=name)(x)
    return norm(conv(x, maps, 1, strides=strides, name=name), name=name)


@keras.saving.register_keras_serializable("convoy")
class PaddedShortcut(keras.layers.Layer):
    """Carries maps past a unit that shrinks them: every `strides`-th pixel, then maps of zeros (option A).

    Args:
        width: Maps after it.
        strides: Distance of the pixels that are kept.
        **kwargs: As of `keras.layers.Layer`.
    """

    def __init__(self, width: int, strides: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.strides = strides

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns maps [N, H, W, width], H and W divided by the strides."""
        kept = inputs[:, :: self.strides, :: self.strides, :]
        return keras.ops.pad(kept, [[0, 0], [0, 0], [0, 0], [0, self.width - inputs.shape[-1]]])

    def get_config(self) -> dict[str, object]:
        """Returns the arguments that make it again."""
        return {**super().get_config(), "width": self.width, "strides": self.strides}
