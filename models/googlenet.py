"""GoogLeNet: several kernels at once, and cheap.

An object may fill the picture or a corner of it, so an inception block looks with 1x1, 3x3 and 5x5 kernels and a pool
side by side, and concatenates what they find. The wide kernels would cost too much on hundreds of maps; a 1x1
convolution in front squeezes the maps first. Nine such blocks and a mean in place of dense layers make 22 layers with
a ninth of AlexNet's weights; it won ILSVRC 2014. Gradients were feared not to reach so far down, so two auxiliary
heads on blocks 4a and 4d learn the same task at 0.3 of the weight, and are dropped when training ends.

The table is the lecture's and the paper's. Its column of weights is in units of 1,024, biases left out, and wrong in
places: conv1 has 9,408 weights and 118 million multiply-adds (not 2.7K and 34M), 4c has 497.5K, 5a 1,018K and 51M.

`inception_v1_slides` is the lecture's own simplified function: no heads, no dropout, no local response normalisation.
As printed it halves the side in both convolutions of the second stage (so 32 pixels are down to one before the first
block), gives 3b 128 maps of 3x3 where the table has 192 and 4a 32 of the pool where it has 64, calls the block by a
name that it does not have and returns nothing. `errata` says what is mended: `printed`, `strides`, or `corrected`,
which is GoogLeNet without its heads. The example of a block gives 130 maps (the lecture prints 160); without padding
`same`, as first shown, its branches could not be concatenated.
"""

import keras

from models.layers import (
    LocalResponseNormalization,
    Norm,
    classifier,
    conv_relu,
    dense_relu,
    logits,
    max_pool,
)

# Maps of 1x1, of 3x3 after its reduction, of 5x5 after its reduction, and of the pool's projection.
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
PRINTED = {**BLOCKS, "3b": (128, 128, 128, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 32)}
POOL_BEFORE = {"4a": "pool3", "5a": "pool4"}
HEAD_AFTER = {"4a": "head4a", "4d": "head4d"}


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    stem: str = "paper",
    errata: str = "corrected",
    lrn: bool = False,
    heads: bool = False,
    batch_norm: bool = False,
    dropout: float = 0.4,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor | list[keras.KerasTensor]:
    """Adds GoogLeNet; returns float32 logits [N, classes], or a list of them: the network's, then each head's.

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        stem: `paper`, three convolutions and two pools that divide the side by eight, or `small`, one 3x3 convolution.
        errata: What of the lecture's function is mended: `printed`, `strides` or `corrected`.
        lrn: Whether local response normalisation stands in the stem.
        heads: Whether the auxiliary heads are there.
        batch_norm: Whether each convolution is normalised, as in later practice.
        dropout: Share of the pooled features that training drops.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    norm = Norm(bn_momentum) if batch_norm else None
    if stem == "small":
        x = conv_relu(inputs, 192, 3, norm=norm, name="conv2")
    else:
        x = _stem(inputs, strides=2 if errata == "printed" else 1, lrn=lrn, norm=norm)
    outputs = []
    for block, maps in (BLOCKS if errata == "corrected" else PRINTED).items():
        if block in POOL_BEFORE:
            x = max_pool(x, 3, 2, name=POOL_BEFORE[block])
        x = inception(x, *maps, norm=norm, name=f"inception{block}")
        if heads and block in HEAD_AFTER:
            outputs.append(_head(x, num_classes, norm=norm, name=HEAD_AFTER[block]))
    x = classifier(x, num_classes, dropout=dropout)
    return [x, *outputs] if outputs else x


def inception(  # noqa: PLR0917 -- A row of the paper's table.
    x: keras.KerasTensor,
    maps1: int,
    reduced3: int,
    maps3: int,
    reduced5: int,
    maps5: int,
    pooled: int,
    *,
    name: str,
    norm: Norm | None = None,
) -> keras.KerasTensor:
    """Adds an inception block; returns maps [N, H, W, maps1 + maps3 + maps5 + pooled].

    Args:
        x: Maps [N, H, W, C].
        maps1: Maps of the 1x1 branch.
        reduced3: Maps that the 3x3 convolution reads.
        maps3: Maps of the 3x3 branch.
        reduced5: Maps that the 5x5 convolution reads.
        maps5: Maps of the 5x5 branch.
        pooled: Maps of the projection after the 3x3 pool.
        name: Prefix of its layers.
        norm: Of each convolution, or None.
    """
    one = conv_relu(x, maps1, 1, norm=norm, name=f"{name}_1x1")
    three = conv_relu(x, reduced3, 1, norm=norm, name=f"{name}_3x3_reduce")
    three = conv_relu(three, maps3, 3, norm=norm, name=f"{name}_3x3")
    five = conv_relu(x, reduced5, 1, norm=norm, name=f"{name}_5x5_reduce")
    five = conv_relu(five, maps5, 5, norm=norm, name=f"{name}_5x5")
    pool = max_pool(x, 3, 1, name=f"{name}_pool")
    pool = conv_relu(pool, pooled, 1, norm=norm, name=f"{name}_pool_proj")
    return keras.layers.Concatenate(name=f"{name}_concat")([one, three, five, pool])


def _stem(x: keras.KerasTensor, *, strides: int, lrn: bool, norm: Norm | None) -> keras.KerasTensor:
    x = conv_relu(x, 64, 7, strides=2, norm=norm, name="conv1")
    x = max_pool(x, 3, 2, name="pool1")
    x = _lrn(x, name="lrn1") if lrn else x
    x = conv_relu(x, 64, 1, strides=strides, norm=norm, name="conv2_reduce")
    x = conv_relu(x, 192, 3, strides=strides, norm=norm, name="conv2")
    x = _lrn(x, name="lrn2") if lrn else x
    return max_pool(x, 3, 2, name="pool2")


def _lrn(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    # Caffe's replica says alpha 1e-4, and divides it by the five maps that are summed.
    return LocalResponseNormalization(bias=1.0, alpha=2e-5, name=name)(x)


def _head(x: keras.KerasTensor, num_classes: int, *, norm: Norm | None, name: str) -> keras.KerasTensor:
    x = keras.layers.AveragePooling2D(5, strides=3, name=f"{name}_pool")(x)
    x = conv_relu(x, 128, 1, norm=norm, name=f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = dense_relu(x, 1024, dropout=0.7, name=f"{name}_fc")
    return logits(x, num_classes, name=f"{name}_logits")
