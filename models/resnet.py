"""ResNet: layers that learn what to add.

Deeper plain networks were worse, on the training set too: not for want of capacity, but because a stack of layers
struggles to learn even to leave its input alone. The paper lets each pair of layers learn only the difference, and adds
the input back (the lecture's first ResNet figure): doing nothing is now the starting point, and a hundred layers train.

This module holds the family of section 4.2, made for CIFAR: a 3x3 stem and three stages of n units with 16, 32 and 64
maps, 6n + 2 layers in all. Where a stage halves the side and doubles the maps, the input that is added back must change
shape too: option A takes every second pixel and fills up with zeros, at no weights. The lecture's table is that of the
larger ImageNet networks; the row that it calls FLOPs counts multiply-adds, which is what Convoy calls MACs.
"""

from collections.abc import Sequence

import keras

from models.layers import classifier, conv, norm_relu


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    units: Sequence[int] = (3, 3, 3),
    widths: Sequence[int] = (16, 32, 64),
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds a ResNet for CIFAR; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        units: Residual units of each stage.
        widths: Maps of each stage; every stage but the first halves the side.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    x = conv(inputs, widths[0], 3, name="stem")
    x = norm_relu(x, momentum=bn_momentum, name="stem")
    for stage, (count, width) in enumerate(zip(units, widths, strict=True), start=1):
        for unit in range(1, count + 1):
            strides = 2 if stage > 1 and unit == 1 else 1
            x = _unit(x, width, strides=strides, momentum=bn_momentum, name=f"stage{stage}_unit{unit}")
    return classifier(x, num_classes)


def _unit(x: keras.KerasTensor, width: int, *, strides: int, momentum: float, name: str) -> keras.KerasTensor:
    shortcut = x if strides == 1 else PaddedShortcut(width, strides, name=f"{name}_shortcut")(x)
    x = conv(x, width, 3, strides=strides, name=f"{name}_conv1")
    x = norm_relu(x, momentum=momentum, name=f"{name}_conv1")
    x = conv(x, width, 3, name=f"{name}_conv2")
    x = keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_conv2_bn")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)


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
