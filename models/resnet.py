"""ResNet: layers that learn what to add."""

from collections.abc import Sequence

import keras

from models.layers import classifier, norm_relu


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
    x = _conv(inputs, widths[0], name="stem_conv")
    x = norm_relu(x, momentum=bn_momentum, name="stem")
    for stage, (count, width) in enumerate(zip(units, widths, strict=True), start=1):
        for unit in range(1, count + 1):
            strides = 2 if stage > 1 and unit == 1 else 1
            x = _unit(x, width, strides=strides, momentum=bn_momentum, name=f"stage{stage}_unit{unit}")
    return classifier(x, num_classes)


def _unit(x: keras.KerasTensor, width: int, *, strides: int, momentum: float, name: str) -> keras.KerasTensor:
    shortcut = x
    if strides > 1:
        shortcut = PaddedShortcut(width, strides, name=f"{name}_shortcut")(x)
    x = _conv(x, width, strides=strides, name=f"{name}_conv1")
    x = norm_relu(x, momentum=momentum, name=f"{name}_1")
    x = _conv(x, width, name=f"{name}_conv2")
    x = keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_bn2")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _conv(x: keras.KerasTensor, width: int, *, name: str, strides: int = 1) -> keras.KerasTensor:
    layer = keras.layers.Conv2D(
        width, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )
    return layer(x)


@keras.saving.register_keras_serializable("convoy")
class PaddedShortcut(keras.layers.Layer):
    """Carries maps [N, H, W, C] past a unit that shrinks them: subsampled, extra maps of zeros, no weights (option A).

    Args:
        width: Maps after it.
        strides: Every how many positions one is kept.
        **kwargs: Of the Keras layer.
    """

    def __init__(self, width: int, strides: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.strides = strides

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns maps [N, ceil(H / strides), ceil(W / strides), width]."""
        kept = x[:, :: self.strides, :: self.strides, :]
        return keras.ops.pad(kept, [[0, 0], [0, 0], [0, 0], [0, self.width - x.shape[-1]]])

    def get_config(self) -> dict[str, object]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "width": self.width, "strides": self.strides}
