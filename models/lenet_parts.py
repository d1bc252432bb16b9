"""The layers that only the LeNet-5 of 1998 has (LeCun et al. 1998, section II.B)."""

from random import Random

import keras

# Table I: the maps of S2 that each of the sixteen maps of C3 reads. First six triples of neighbours, then nine
# quadruples, then all six.
CONNECTIONS = (
    *[tuple((first + step) % 6 for step in range(3)) for first in range(6)],
    *[tuple((first + step) % 6 for step in range(4)) for first in range(6)],
    *[tuple((first + step) % 6 for step in (0, 1, 3, 4)) for first in range(3)],
    tuple(range(6)),
)

# The codes of the digits 0 to 9, drawn in 7x12 pixels as those of figure 3 are.
DIGITS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... ..###.. .#####. .....#. ####### ..####. ####### .#####. .#####.
.#...#. ..##... .#...#. #.....# ....##. #...... .#..... ......# #.....# #.....#
#.....# .#.#... #.....# ......# ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ......# ..#..#. ######. #...... .....#. #.....# #.....#
#.....# ...#... .....#. ..####. .#...#. ......# ######. ....#.. .#####. .######
#.....# ...#... ...##.. ......# #....#. ......# #.....# ....#.. #.....# ......#
#.....# ...#... ..#.... ......# ####### ......# #.....# ...#... #.....# ......#
.#...#. ...#... .#..... #.....# .....#. #.....# #.....# ...#... #.....# .....#.
..###.. .#####. ####### .#####. .....#. .#####. .#####. ...#... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def spread(initializer: str, fan_in: float) -> keras.Initializer:
    """Returns how weights start that sum `fan_in` values.

    Args:
        initializer: `paper`, uniform within 2.4 / fan_in (appendix A), where the paper's step sizes, one a weight, make
            up for a start so small; or `lecun`, uniform within sqrt(3 / fan_in), which keeps the variance from layer
            to layer (LeCun, Bottou, Orr, Mueller 1998, "Efficient BackProp") and learns under a single step size.
        fan_in: Values that a unit reads.
    """
    bound = 2.4 / fan_in if initializer == "paper" else (3.0 / fan_in) ** 0.5
    return keras.initializers.RandomUniform(-bound, bound)


@keras.saving.register_keras_serializable("convoy")
def squash(x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns 1.7159 tanh(2x/3): f(1) = 1 and f(-1) = -1, where it also bends most (appendix A)."""
    return 1.7159 * keras.ops.tanh(x * (2.0 / 3.0))


@keras.saving.register_keras_serializable("convoy")
class Subsampling(keras.layers.Layer):
    """Averages 2x2 pixels, scales and shifts the mean by two trained numbers a map, and squashes it (S2, S4).

    The paper adds four inputs before it scales; a mean is the same with a coefficient four times as large.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Adds a coefficient and a bias for each map."""
        maps = (input_shape[-1],)
        self.coefficient = self.add_weight(shape=maps, initializer="ones", name="coefficient")
        self.bias = self.add_weight(shape=maps, initializer="zeros", name="bias")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns maps [N, H / 2, W / 2, C]."""
        return squash(keras.ops.average_pool(inputs, 2, strides=2) * self.coefficient + self.bias)


@keras.saving.register_keras_serializable("convoy")
class PartialConv2D(keras.layers.Layer):
    """Convolves each new map over some of the six old ones only, by table I (C3).

    Args:
        size: Side of the kernels, in pixels.
        activation: Applied to the maps.
        kernel_initializer: How the kernels start.
        **kwargs: As of `keras.layers.Layer`.
    """

    def __init__(
        self,
        size: int,
        activation: object = None,
        kernel_initializer: object = "glorot_uniform",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.activation = size, keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Adds one kernel for each of the 60 connections, and a bias for each new map."""
        self.pairs = [(old, new) for new, olds in enumerate(CONNECTIONS) for old in olds]
        shape = (self.size, self.size, len(self.pairs))
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")
        self.bias = self.add_weight(shape=(len(CONNECTIONS),), initializer="zeros", name="bias")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns maps [N, H - size + 1, W - size + 1, 16]."""
        places = keras.ops.one_hot([len(CONNECTIONS) * old + new for old, new in self.pairs], 6 * len(CONNECTIONS))
        kernel = keras.ops.matmul(self.kernel, keras.ops.cast(places, self.compute_dtype))
        kernel = keras.ops.reshape(kernel, (self.size, self.size, inputs.shape[-1], len(CONNECTIONS)))
        return self.activation(keras.ops.conv(inputs, kernel) + self.bias)

    def get_config(self) -> dict[str, object]:
        """Returns the arguments that make it again."""
        own = {
            "size": self.size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("convoy")
class CodeDistance(keras.layers.Layer):
    """Compares 84 units with a fixed code of signs for each class; the nearest wins (the output layer).

    A digit's code is its drawing; further classes get random signs, which the paper deems as good. A logit is the
    negative squared distance, so that a softmax over them is the paper's criterion (equation 9).

    Args:
        num_classes: Number of classes.
        **kwargs: As of `keras.layers.Layer`.
    """

    def __init__(self, num_classes: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Adds the codes, which do not train."""
        shape = (input_shape[-1], self.num_classes)
        self.kernel = self.add_weight(shape=shape, initializer=_codes, trainable=False, name="kernel")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns logits [N, classes]."""
        apart = keras.ops.sum(keras.ops.square(inputs), axis=-1, keepdims=True) + inputs.shape[-1]
        return 2.0 * keras.ops.matmul(inputs, self.kernel) - apart

    def get_config(self) -> dict[str, object]:
        """Returns the arguments that make it again."""
        return {**super().get_config(), "num_classes": self.num_classes}


def _codes(shape: tuple[int, int], dtype: str | None = None) -> keras.KerasTensor:
    """Returns one code of +1 and -1 a column."""
    pixels, classes = shape
    lines = [line.split() for line in DIGITS.strip().splitlines()]
    drawn = [[1.0 if dot == "#" else -1.0 for line in lines for dot in line[digit]] for digit in range(10)]
    random = Random(0)
    drawn += [[random.choice((-1.0, 1.0)) for _ in range(pixels)] for _ in range(classes - len(drawn))]
    return keras.ops.transpose(keras.ops.convert_to_tensor(drawn[:classes], dtype=dtype))
