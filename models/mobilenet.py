"""MobileNet: convolutions taken apart."""

import keras

from models.layers import classifier, norm_relu

# Maps and stride of the 13 pairs of a depthwise and a pointwise convolution.
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    alpha: float = 1.0,
    stem_stride: int = 2,
    dropout: float = 0.001,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds MobileNet v1; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        alpha: Width multiplier: every layer has int(maps * alpha) maps.
        stem_stride: Stride of the first convolution.
        dropout: Share of the pooled features dropped while training.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    stem = keras.layers.Conv2D(
        int(32 * alpha), 3, strides=stem_stride, padding="same", use_bias=False, name="stem_conv"
    )
    x = norm_relu(stem(inputs), momentum=bn_momentum, ceiling=6.0, name="stem")
    for number, (maps, strides) in enumerate(PAIRS, start=1):
        x = _pair(x, int(maps * alpha), strides=strides, momentum=bn_momentum, name=f"pair{number}")
    return classifier(x, num_classes, dropout=dropout)


def _pair(x: keras.KerasTensor, maps: int, *, strides: int, momentum: float, name: str) -> keras.KerasTensor:
    depthwise = keras.layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False, name=f"{name}_dw")
    x = norm_relu(depthwise(x), momentum=momentum, ceiling=6.0, name=f"{name}_dw")
    pointwise = keras.layers.Conv2D(maps, 1, use_bias=False, name=f"{name}_pw")
    return norm_relu(pointwise(x), momentum=momentum, ceiling=6.0, name=f"{name}_pw")
