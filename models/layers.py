"""The pieces that several families share.

A convolution before a batch norm carries no bias, because the norm's shift does its work. Layers are named by their
place, `stage2_unit3_conv1` (Keras allows no slash in a name); what surrounds a convolution adds `_pad`, `_bn`, `_relu`.
"""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Norm:
    """Says how a network normalises its maps over a batch.

    Attributes:
        momentum: Share of the moving statistics that survives a step.
        epsilon: What keeps the variance from zero; the default is 1e-5, raised to the least that cuDNN takes.
        scale: What the norm multiplies by before training.
        shift: What the norm adds before training; at 1 a ReLU lets most values through.
    """

    momentum: float = 0.99
    epsilon: float = 1.001e-5
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
        """Adds the batch norm of the layer called `name`."""
        layer = keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer=keras.initializers.Constant(self.scale),
            beta_initializer=keras.initializers.Constant(self.shift),
            name=f"{name}_bn",
        )
        return layer(x)


def conv(
    x: keras.KerasTensor,
    filters: int,
    size: int,
    *,
    name: str,
    strides: int = 1,
    padding: str | int = "same",
    use_bias: bool = False,
    kernel_initializer: str | keras.Initializer = "he_normal",
    **options: Any,
) -> keras.KerasTensor:
    """Adds a square convolution.

    Args:
        x: Maps [N, H, W, C].
        filters: Maps after it.
        size: Side of the kernel, in pixels.
        name: Of the layer.
        strides: Distance of its positions, in pixels.
        padding: As of Keras, or how many zeros on every side, as of Caffe and Torch. The two differ for even sides at
            stride 2: Keras pads below and to the right alone.
        use_bias: Whether it has a bias.
        kernel_initializer: How the kernel starts.
        **options: More of `keras.layers.Conv2D`.
    """
    if strides == 1 and padding == size // 2:
        padding = "same"  # The same zeros, without a layer for them.
    if isinstance(padding, int):
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x) if padding else x
        padding = "valid"
    kind = PointwiseConv2D if size == 1 else keras.layers.Conv2D
    layer = kind(
        filters,
        kernel_size=size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        name=name,
        **options,
    )
    return layer(x)


def norm_relu(x: keras.KerasTensor, norm: Norm, *, name: str, ceiling: float | None = None) -> keras.KerasTensor:
    """Adds batch norm and a ReLU, cut off at `ceiling` (MobileNet's ReLU6), to the layer called `name`."""
    return keras.layers.ReLU(max_value=ceiling, name=f"{name}_relu")(norm(x, name=name))


def conv_relu(
    x: keras.KerasTensor, filters: int, size: int, *, name: str, norm: Norm | None = None, **options: Any
) -> keras.KerasTensor:
    """Adds a convolution and a ReLU; with a norm between them, or with a bias where there is none."""
    if norm is None:
        return conv(x, filters, size, name=name, use_bias=True, activation="relu", **options)
    return norm_relu(conv(x, filters, size, name=name, **options), norm, name=name)


def max_pool(
    x: keras.KerasTensor, size: int, strides: int, *, name: str, padding: str | int = "same"
) -> keras.KerasTensor:
    """Adds max-pooling; `padding` as of `conv`, its zeros harmless after a ReLU."""
    if isinstance(padding, int):
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(size, strides=strides, padding=padding, name=name)(x)


def dropped(x: keras.KerasTensor, rate: float, *, name: str) -> keras.KerasTensor:
    """Adds dropout, unless its rate is zero."""
    return keras.layers.Dropout(rate, name=name)(x) if rate else x


def logits(x: keras.KerasTensor, num_classes: int, *, name: str = "logits", **options: Any) -> keras.KerasTensor:
    """Adds the dense layer that ends a network; returns logits [N, classes].

    They stay in float32 under mixed precision, where a softmax in half precision would round rare classes away.
    """
    return keras.layers.Dense(num_classes, dtype="float32", name=name, **options)(x)


def classifier(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.0) -> keras.KerasTensor:
    """Adds the mean over the map, dropout and a dense layer; returns float32 logits [N, classes]."""
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return logits(dropped(x, dropout, name="dropout"), num_classes)


def dense_relu(
    x: keras.KerasTensor, units: int, *, name: str, dropout: float = 0.0, **options: Any
) -> keras.KerasTensor:
    """Adds a dense layer, a ReLU and dropout: the classifier's hidden layer before global pooling came up."""
    x = keras.layers.Dense(units, activation="relu", name=name, **options)(x)
    return dropped(x, dropout, name=f"{name}_dropout")


@keras.saving.register_keras_serializable("convoy")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by the energy of its neighbours among the maps (Krizhevsky et al. 2012, section 3.3).

    y = x / (bias + alpha * sum of x^2 over the 2 * radius + 1 nearest maps) ^ beta. Here `alpha` multiplies the plain
    sum, as in the paper; Caffe divides it by the number of maps first. Batch norm has since taken its place.

    Args:
        radius: Maps on either side.
        bias: The paper's k.
        alpha: Weight of the sum.
        beta: Exponent.
        **kwargs: As of `keras.layers.Layer`.
    """

    def __init__(
        self, radius: int = 2, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns maps of the shape of `inputs`, [N, H, W, C]."""
        maps = inputs.shape[-1]
        squares = keras.ops.pad(keras.ops.square(inputs), [[0, 0]] * 3 + [[self.radius, self.radius]])
        energy = sum(squares[..., first : first + maps] for first in range(2 * self.radius + 1))
        return inputs * keras.ops.power(self.bias + self.alpha * energy, -self.beta)

    def get_config(self) -> dict[str, object]:
        """Returns the arguments that make it again."""
        own = {"radius": self.radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("convoy")
class PointwiseConv2D(keras.layers.Conv2D):
    """Convolves with a 1x1 kernel; trains as the matrix product that it is.

    On maps of a few pixels the CPU's backward pass of a 1x1 convolution takes up to ten times as long as that of the
    equal matrix product. In inference the convolution is the faster one: the runtime folds the batch norm into it.

    Args:
        filters: Maps after it.
        **kwargs: As of `keras.layers.Conv2D`, for channels last and one group.
    """

    def __init__(self, filters: int, **kwargs: object) -> None:
        super().__init__(filters, **{**kwargs, "kernel_size": 1})

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Returns maps [N, H, W, filters], H and W divided by the strides."""
        if not training:
            return super().call(inputs)
        kept = inputs[:, :: self.strides[0], :: self.strides[1], :]
        _, height, width, channels = kept.shape
        pixels = keras.ops.reshape(kept, (-1, channels))
        x = keras.ops.matmul(pixels, keras.ops.reshape(self.kernel, (channels, self.filters)))
        if self.use_bias:
            x = x + self.bias
        return self.activation(keras.ops.reshape(x, (-1, height, width, self.filters)))
