"""VGG: depth out of nothing but small kernels.

Two 3x3 convolutions see as far as one of 5x5, three as far as one of 7x7 (the lecture prints "two 3x3 = one 7x7"), with
fewer weights and a ReLU more in between. So the paper stacks them, between 1 and 4 to a block, five blocks with a
2x2 pool after each, and shows that depth alone pays: A has 11 layers with weights, B 13, D 16, E 19. A-LRN adds
AlexNet's local response normalisation, which brings nothing; C puts 1x1 convolutions where D has the third 3x3 of a
block. "VGG16" is D, though C has 16 layers too. VGG came second in ILSVRC 2014, behind GoogLeNet (the lecture says that
it won in 2012; AlexNet did).

At 32x32x3 with ten classes the paper form is the lecture's table, 33,638,218 weights for D; the 138,357,544 of Keras's
`VGG16()` belong to 224x224 and 1,000 classes. Three quarters of the weights are in the first dense layer.

Training it from scratch. The paper started its deep variants from a trained A, and notes that Glorot's initial weights,
found later, make that unnecessary; the paper form uses them. In sixteen layers without normalisation the signal still
fades or explodes under any step size worth having, so the small form puts a batch norm after each convolution, starts
from He's weights (made for ReLUs) and, as maps of 1x1 hold nothing to flatten, ends in a single dense layer.
"""

from collections.abc import Sequence

import keras

from models.layers import LocalResponseNormalization, Norm, classifier, conv_relu, dense_relu, logits, max_pool

WIDTHS = (64, 128, 256, 512, 512)


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    convs: Sequence[int],
    last_size: int = 3,
    lrn: bool = False,
    hidden: int = 4096,
    pool_padding: str = "valid",
    batch_norm: bool = False,
    dropout: float = 0.5,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds a VGG network; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        convs: Convolutions of each of the five blocks.
        last_size: Side of the kernel of a block's third convolution; configuration C has 1.
        lrn: Whether local response normalisation follows the first convolution.
        hidden: Units of the two dense layers before the last; with 0 a mean over the map takes their place.
        pool_padding: `valid` drops an odd last row, `same` keeps it, so that any side goes through five pools.
        batch_norm: Whether each convolution is normalised.
        dropout: Share of the hidden units that training drops.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    norm = Norm(bn_momentum) if batch_norm else None
    initializer = "he_normal" if batch_norm else "glorot_uniform"
    x = inputs
    for block, (count, width) in enumerate(zip(convs, WIDTHS, strict=True), start=1):
        for number in range(1, count + 1):
            size, name = last_size if number == 3 else 3, f"block{block}_conv{number}"
            options = {"use_bias": True} if batch_norm else {}
            x = conv_relu(x, width, size, norm=norm, kernel_initializer=initializer, name=name, **options)
            if lrn and block == number == 1:
                x = LocalResponseNormalization(name="block1_lrn")(x)
        x = max_pool(x, 2, 2, padding=pool_padding, name=f"block{block}_pool")
    if not hidden:
        return classifier(x, num_classes)
    x = keras.layers.Flatten(name="flatten")(x)
    x = dense_relu(x, hidden, dropout=dropout, name="fc6")
    x = dense_relu(x, hidden, dropout=dropout, name="fc7")
    return logits(x, num_classes)
