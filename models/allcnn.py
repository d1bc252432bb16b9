"""All-CNN: nothing but convolutions."""

import keras


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    pad_below: int = 0,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
) -> keras.KerasTensor:
    """Adds All-CNN-C; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        pad_below: For images with a side below this many pixels, conv7 pads its maps instead of trimming them.
        input_dropout: Share of the input dropped while training.
        dropout: Share of the maps' values dropped after each stride-2 convolution while training.
    """
    last = "same" if min(inputs.shape[1:3]) < pad_below else "valid"
    x = _dropped(inputs, input_dropout, "dropout0")
    x = _conv(x, 96, name="conv1")
    x = _conv(x, 96, name="conv2")
    x = _dropped(_conv(x, 96, strides=2, name="conv3"), dropout, "dropout3")
    x = _conv(x, 192, name="conv4")
    x = _conv(x, 192, name="conv5")
    x = _dropped(_conv(x, 192, strides=2, name="conv6"), dropout, "dropout6")
    x = _conv(x, 192, padding=last, name="conv7")
    x = _conv(x, 192, size=1, name="conv8")
    x = keras.layers.Conv2D(num_classes, 1, name="conv9")(x)
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)


def _conv(
    x: keras.KerasTensor, filters: int, *, name: str, size: int = 3, strides: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    layer = keras.layers.Conv2D(
        filters, size, strides=strides, padding=padding, activation="relu", kernel_initializer="he_normal", name=name
    )
    return layer(x)


def _dropped(x: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(rate, name=name)(x) if rate else x
