"""LeNet: the convolutional network as we know it."""

import keras


def build(inputs: keras.KerasTensor, num_classes: int, *, pad_below: int = 0) -> keras.KerasTensor:
    """Adds LeNet-5; returns float32 logits [N, classes].

    Args:
        inputs: Normalised images [N, H, W, C].
        num_classes: Number of classes.
        pad_below: Images with a side below this many pixels are zero-padded by C1, which keeps their size.
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
