"""All-CNN-C: nothing but convolutions.

The paper takes a plain network for CIFAR-10 and asks which of its parts are needed. Max-pooling turns out to be a
convolution with stride 2 that does not learn, so it is replaced by one that does; the dense layers at the end turn out
to be 1x1 convolutions followed by a mean over the map. What is left, nine convolutions and their ReLUs, was as good as
anything of its day.

The lecture's table stops after the second convolution of stride 2. Three more follow: 3x3 with 192 maps, whose missing
padding trims 8x8 to 6x6; 1x1 with 192; 1x1 with one map a class, averaged over the 6x6. The paper prints a ReLU after
that last one too. Ours has none: a class whose map is cut off at zero gets no gradient, and logits may be negative.
"""

import keras

from models.layers import conv, conv_relu, dropped


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
        pad_below: For images with a side below this many pixels conv7 pads its maps, which it would trim to nothing.
        input_dropout: Share of the input that training drops.
        dropout: Share of the maps that training drops after each convolution of stride 2.
    """
    last = "same" if min(inputs.shape[1:3]) < pad_below else "valid"
    x = dropped(inputs, input_dropout, name="dropout0")
    x = conv_relu(x, 96, 3, name="conv1")
    x = conv_relu(x, 96, 3, name="conv2")
    x = conv_relu(x, 96, 3, strides=2, name="conv3")
    x = dropped(x, dropout, name="dropout3")
    x = conv_relu(x, 192, 3, name="conv4")
    x = conv_relu(x, 192, 3, name="conv5")
    x = conv_relu(x, 192, 3, strides=2, name="conv6")
    x = dropped(x, dropout, name="dropout6")
    x = conv_relu(x, 192, 3, padding=last, name="conv7")
    x = conv_relu(x, 192, 1, name="conv8")
    x = conv(x, num_classes, 1, use_bias=True, name="conv9")
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
