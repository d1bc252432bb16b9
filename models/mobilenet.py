"""MobileNet: convolutions taken apart.

A 3x3 convolution does two things at once: it looks around each pixel, and it mixes the maps. MobileNet does one after
the other, a depthwise 3x3 that keeps to its own map and a pointwise 1x1 that mixes, for an eighth or a ninth of the
multiply-adds. Thirteen such pairs follow a plain stem; a width multiplier `alpha` thins every layer, and smaller images
cost less without a weight changed, so one design gives a whole grid of networks.

The layers are those of the lecture's table, with two corrections. Its last depthwise row prints stride 2 at 7x7x1024,
a slip of the paper's: only stride 1 gives the paper's own 569 million multiply-adds. And the "5x" belongs to both rows
of its pair, not to the depthwise one alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import keras

from models.layers import Norm, classifier, conv, norm_relu

# Keras's default, and that of Keras's own MobileNet.
EPSILON = 1e-3
# Maps and stride of the thirteen pairs.
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
        alpha: Width multiplier; a layer has int(maps * alpha) maps.
        stem_stride: Stride of the first convolution.
        dropout: Share of the pooled features that training drops.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    norm = Norm(bn_momentum, epsilon=EPSILON)
    x = conv(inputs, int(32 * alpha), 3, strides=stem_stride, name="stem")
    x = norm_relu(x, norm, ceiling=6.0, name="stem")
    for number, (maps, strides) in enumerate(PAIRS, start=1):
        x = _pair(x, int(maps * alpha), strides=strides, norm=norm, name=f"pair{number}")
    return classifier(x, num_classes, dropout=dropout)


def _pair(x: keras.KerasTensor, maps: int, *, strides: int, norm: Norm, name: str) -> keras.KerasTensor:
    depthwise = keras.layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=NearIdentity(stddev=0.4),
        name=f"{name}_dw",
    )
    x = norm_relu(depthwise(x), replace(norm, shift=1.0), ceiling=6.0, name=f"{name}_dw")
    x = conv(x, maps, 1, name=f"{name}_pw")
    return norm_relu(x, norm, ceiling=6.0, name=f"{name}_pw")


@keras.saving.register_keras_serializable("convoy")
class NearIdentity(keras.initializers.RandomNormal):
    """Starts a depthwise kernel [height, width, maps, 1] as a one at its centre, and noise.

    The paper does not say how it starts. Keras's default divides by all the maps, over which a depthwise kernel never
    sums; the deepest kernels come out so small that the norm's epsilon swallows the signal. Begun near the identity, a
    pair is little more than its pointwise half, and the 28 layers learn as fast as 14 would.
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> keras.KerasTensor:
        """Returns the kernel."""
        height, width = shape[:2]
        centre = [[float((y, x) == (height // 2, width // 2)) for x in range(width)] for y in range(height)]
        identity = keras.ops.convert_to_tensor(centre, dtype=dtype)
        return super().__call__(shape, dtype) + identity[:, :, None, None]
