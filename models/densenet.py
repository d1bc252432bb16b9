"""DenseNet: every layer sees all that came before.

Where ResNet adds a layer's input to its output, DenseNet lays them side by side: within a block each layer reads the
maps of all layers before it and contributes k new ones (the growth rate, 12 to 48), as the lecture's figure shows.
Nothing needs to be learnt twice, so the layers can be thin: DenseNet-121 has a third of the weights of ResNet-50. A
layer first squeezes what it reads to 4k maps with a 1x1 convolution (B, bottleneck); a transition between two blocks
halves the maps (C, compression) and the side. Each convolution is preceded, not followed, by batch norm and ReLU.

The lecture dates it 2018; it is CVPR 2017, first on arXiv in August 2016.
"""

from collections.abc import Sequence

import keras

from models.layers import Norm, classifier, conv, conv_relu, dropped, max_pool, norm_relu


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    growth: int,
    blocks: Sequence[int],
    stem_maps: int,
    stem: str = "small",
    bottleneck: bool = True,
    compression: float = 0.5,
    dropout: float = 0.0,
    bn_momentum: float = 0.99,
) -> keras.KerasTensor:
    """Adds a DenseNet; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        growth: New maps a layer, the paper's k.
        blocks: Layers of each block.
        stem_maps: Maps of the first convolution.
        stem: `imagenet`, a 7x7 convolution of stride 2 and a pool, or `small`, a bare 3x3 convolution.
        bottleneck: Whether a 1x1 convolution comes before each 3x3 one.
        compression: Share of the maps that a transition keeps, the paper's theta.
        dropout: Share of a layer's new maps that training drops.
        bn_momentum: Share of the moving statistics that survives a step.
    """
    norm = Norm(bn_momentum)
    if stem == "imagenet":
        x = conv_relu(inputs, stem_maps, 7, strides=2, padding=3, norm=norm, name="stem")
        x = max_pool(x, 3, 2, padding=1, name="stem_pool")
    else:
        x = conv(inputs, stem_maps, 3, name="stem")
    for number, layers in enumerate(blocks, start=1):
        if number > 1:
            x = _transition(x, int(x.shape[-1] * compression), norm=norm, name=f"transition{number - 1}")
        for layer in range(1, layers + 1):
            name = f"block{number}_layer{layer}"
            new = _layer(x, growth, bottleneck=bottleneck, norm=norm, name=name)
            x = keras.layers.Concatenate(name=f"{name}_concat")([x, dropped(new, dropout, name=f"{name}_dropout")])
    return classifier(norm_relu(x, norm, name="out"), num_classes)


def _layer(x: keras.KerasTensor, growth: int, *, bottleneck: bool, norm: Norm, name: str) -> keras.KerasTensor:
    x = norm_relu(x, norm, name=name)
    if bottleneck:
        x = conv_relu(x, 4 * growth, 1, norm=norm, name=f"{name}_conv1")
    return conv(x, growth, 3, name=f"{name}_conv2")


def _transition(x: keras.KerasTensor, maps: int, *, norm: Norm, name: str) -> keras.KerasTensor:
    x = conv(norm_relu(x, norm, name=name), maps, 1, name=f"{name}_conv")
    return keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)
