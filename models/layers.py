"""The pieces that several families share.

A convolution before a batch norm carries no bias, because the norm's shift does its work. Layers are named by their
place, `stage2_unit3_conv1` (Keras allows no slash in a name); what follows a convolution adds `_bn` and `_relu`.
"""

import keras


def conv(x: keras.KerasTensor, filters: int, size: int, *, name: str, strides: int = 1) -> keras.KerasTensor:
    """Adds a convolution to be normalised: no bias, padding `same`, He's initial weights."""
    layer = keras.layers.Conv2D(
        filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )
    return layer(x)


def norm_relu(
    x: keras.KerasTensor, *, momentum: float, name: str, ceiling: float | None = None, shift: float = 0.0
) -> keras.KerasTensor:
    """Adds batch norm and a ReLU.

    Args:
        x: Maps [N, H, W, C].
        momentum: Share of the moving statistics that survives a step.
        name: Of the layer that made the maps.
        ceiling: Largest output (MobileNet's ReLU6), or None.
        shift: What the norm adds before training; at 1 the ReLU lets most values through.
    """
    beta = keras.initializers.Constant(shift)
    x = keras.layers.BatchNormalization(momentum=momentum, beta_initializer=beta, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=ceiling, name=f"{name}_relu")(x)


def classifier(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.0) -> keras.KerasTensor:
    """Adds the mean over the map, dropout and a dense layer; returns float32 logits [N, classes].

    The logits stay in float32 under mixed precision, where a softmax in half precision would round rare classes away.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)


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
