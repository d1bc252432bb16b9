"""LeNet-5: the convolutional network as we know it.

What was new in 1998 was the whole of it: small kernels slid over the image, so that a stroke is found wherever it
stands; subsampling between them, so that its exact place matters less and less; and all of it, down to the pixels,
trained by one gradient. The paper feeds digits of at most 20x20 in frames of 32x32, to bring a stroke at the edge under
the centre of a kernel. C1 and C3 find features, S2 and S4 halve the maps, C5 looks at all that is left at once.

`lenet5` is the form in common use: C3 sees all six maps of S2, S2 and S4 have no weights, and a dense layer ends it:
61,706 weights. `lenet5_1998` is the paper's: C3 wires 60 of the 96 pairs of maps, to break the symmetry and to save; S2
and S4 scale and shift what they average; C5 is a convolution, so a larger image would give a larger map; units squash
with 1.7159 tanh(2x/3); and each class is a fixed code of 84 signs, the closest of which wins: 60,000 weights that
learn, and 840 that do not. The lecture's figure comes from the deeplearning.net tutorial; that network, 20-50-500-10
with 431,080 weights, is not LeNet-5.
"""

import keras

from models.layers import logits
from models.lenet_parts import CodeDistance, PartialConv2D, Subsampling, spread, squash


def build(
    inputs: keras.KerasTensor,
    num_classes: int,
    *,
    original: bool = False,
    pad_below: int = 0,
    initializer: str = "paper",
) -> keras.KerasTensor:
    """Adds LeNet-5; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        original: Whether it is the network of 1998 or the form in common use.
        pad_below: Images with a side below this many pixels lack the frame; C1 pads them with zeros instead.
        initializer: How the original's weights start: `paper` or `lecun`.
    """
    padding = "same" if min(inputs.shape[1:3]) < pad_below else "valid"
    if original:
        return _original(inputs, num_classes, padding, initializer)
    return _modern(inputs, num_classes, padding)


def _modern(x: keras.KerasTensor, num_classes: int, padding: str) -> keras.KerasTensor:
    x = keras.layers.Conv2D(6, 5, padding=padding, activation="tanh", name="c1")(x)
    x = keras.layers.AveragePooling2D(2, name="s2")(x)
    x = keras.layers.Conv2D(16, 5, activation="tanh", name="c3")(x)
    x = keras.layers.AveragePooling2D(2, name="s4")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(120, activation="tanh", name="c5")(x)
    x = keras.layers.Dense(84, activation="tanh", name="f6")(x)
    return logits(x, num_classes)


def _original(x: keras.KerasTensor, num_classes: int, padding: str, initializer: str) -> keras.KerasTensor:
    def reading(values: float) -> dict[str, object]:
        return {"activation": squash, "kernel_initializer": spread(initializer, values)}

    x = keras.layers.Conv2D(6, 5, padding=padding, **reading(25 * x.shape[-1]), name="c1")(x)
    x = Subsampling(name="s2")(x)
    x = PartialConv2D(5, **reading(25 * 60 / 16), name="c3")(x)
    x = Subsampling(name="s4")(x)
    x = keras.layers.Conv2D(120, 5, **reading(25 * 16), name="c5")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(84, **reading(x.shape[-1]), name="f6")(x)
    return CodeDistance(num_classes, dtype="float32", name="logits")(x)
