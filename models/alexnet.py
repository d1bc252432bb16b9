"""AlexNet and ZFNet: the networks that made everyone look.

AlexNet won ILSVRC 2012 by ten points. Much that seemed odd then is common now: ReLUs in place of tanh, which trained
six times as fast; dropout in two wide dense layers; training on GPUs. It did not fit on one, so its second, fourth and
fifth convolution are split in two groups, one a card, that do not see each other's maps (`alexnet_ungrouped` joins
them). Local response normalisation and pools that overlap, 3x3 every 2 pixels, were worth a point each. The paper
prints images of 224x224; only 227 fits a kernel of 11 with stride 4.

ZFNet, a year later, is the same network after its authors had looked inside: many kernels of the first layer were dead
or aliased, so it has smaller ones (7x7) at half the stride, and reaches the top-5 error of five AlexNets with one.

Both figures of the lecture are the papers' own. torchvision's AlexNet is yet another network (64-192-384-256-256).

Training them from scratch. The papers draw weights from N(0, 0.01), which eight layers without normalisation survive
only with days of data: the gradient that reaches the first layer starts far too small. The small form
draws He's weights, which keep a ReLU network's signal at one size through any depth; batch norm is an option. Groups
saved memory, and the small form has none. The lecture gives no small form; this one is Convoy's choice.
"""

from collections.abc import Sequence
from typing import Any

import keras

from models.layers import LocalResponseNormalization, Norm, conv_relu, dense_relu, logits, max_pool


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    stem: Sequence[tuple[int, int, str | int]],
    pool_padding: str,
    groups: int = 1,
    lrn: str = "none",
    initial_bias: float = 0.0,
    initializer: str = "paper",
    batch_norm: bool = False,
    dropout: float = 0.5,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds AlexNet or ZFNet; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        stem: Side of the kernel, stride and padding of the first and of the second convolution.
        pool_padding: Padding of the pools after them.
        groups: In how many groups conv2, conv4 and conv5 are split.
        lrn: Where local response normalisation stands: `before_pool`, `after_pool` or `none`.
        initial_bias: What the biases of conv2, conv4, conv5 and the hidden dense layers start from.
        initializer: `paper`, N(0, 0.01), or `he`.
        batch_norm: Whether each convolution is normalised.
        dropout: Share of the hidden units that training drops.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    kernel = "he_normal" if initializer == "he" else keras.initializers.RandomNormal(stddev=0.01)
    plain: dict[str, Any] = {"kernel_initializer": kernel, "norm": Norm(bn_momentum) if batch_norm else None}
    shifted = {"bias_initializer": keras.initializers.Constant(initial_bias)}
    split = {**plain, **shifted, "groups": groups}
    (size1, strides1, padding1), (size2, strides2, padding2) = stem

    x = conv_relu(inputs, 96, size1, strides=strides1, padding=padding1, **plain, name="conv1")
    x = _pool(x, pool_padding, lrn, number=1)
    x = conv_relu(x, 256, size2, strides=strides2, padding=padding2, **split, name="conv2")
    x = _pool(x, pool_padding, lrn, number=2)
    x = conv_relu(x, 384, 3, **plain, name="conv3")
    x = conv_relu(x, 384, 3, **split, name="conv4")
    x = conv_relu(x, 256, 3, **split, name="conv5")
    x = max_pool(x, 3, 2, padding="valid", name="pool5")
    x = keras.layers.Flatten(name="flatten")(x)
    x = dense_relu(x, 4096, dropout=dropout, kernel_initializer=kernel, **shifted, name="fc6")
    x = dense_relu(x, 4096, dropout=dropout, kernel_initializer=kernel, **shifted, name="fc7")
    return logits(x, num_classes, kernel_initializer=kernel)


def _pool(x: keras.KerasTensor, padding: str, lrn: str, *, number: int) -> keras.KerasTensor:
    normalise = LocalResponseNormalization(name=f"lrn{number}")
    if lrn == "before_pool":
        x = normalise(x)
    x = max_pool(x, 3, 2, padding=padding, name=f"pool{number}")
    return normalise(x) if lrn == "after_pool" else x
