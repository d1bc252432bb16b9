"""LeNet-5: the convolutional network as we know it.

What was new in 1998 was the whole of it: small kernels slid over the image, so that a stroke is found wherever it
stands; subsampling between them, so that its exact place matters less and less; and all of it, down to the pixels,
trained by one gradient. The paper feeds digits of at most 20x20 in frames of 32x32, to bring a stroke at the edge under
the centre of a kernel. C1 and C3 find features, S2 and S4 halve the maps, C5 looks at all that is left at once.

This is the form in common use: C3 sees all six maps of S2 (the paper wires 60 of the 96 pairs, to break the symmetry
and to save), S2 and S4 have no weights, and a dense layer takes the place of the radial-basis output: 61,706 weights,
where the paper counts 60,000. The lecture's figure comes from the deeplearning.net tutorial; that network, 20-50-500-10
with 431,080 weights, is not LeNet-5.
"""

import keras


def build(inputs: keras.KerasTensor, num_classes: int, *, pad_below: int = 0) -> keras.KerasTensor:
    """Adds LeNet-5; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        pad_below: Images with a side below this many pixels lack the frame; C1 pads them with zeros instead.
    """
    padding = "same" if min(inputs.shape[1:3]) < pad_below else "valid"
    x = keras.layers.Conv2D(6, 5, padding=padding, activation="tanh", name="c1")(inputs)
    x = keras.layers.AveragePooling2D(2, name="s2")(x)
    x = keras.layers.Conv2D(16, 5, activation="tanh", name="c3")(x)
    x = keras.layers.AveragePooling2D(2, name="s4")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(120, activation="tanh", name="c5")(x)
    x = keras.layers.Dense(84, activation="tanh", name="f6")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
