"""The pieces that several families share. Batch-normalised convolutions carry no bias: the norm's shift replaces it."""

import keras


def norm_relu(x: keras.KerasTensor, *, momentum: float, name: str, ceiling: float | None = None) -> keras.KerasTensor:
    """Adds batch norm and a ReLU, clipped at `ceiling` where one is given.

    Args:
        x: Feature maps [N, H, W, C].
        momentum: Share of the moving statistics that survives a step.
        name: Prefix of the layers' names.
        ceiling: Largest output (MobileNet's ReLU6), or None.
    """
    x = keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=ceiling, name=f"{name}_relu")(x)


def classifier(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.0) -> keras.KerasTensor:
    """Adds global average pooling, dropout and a dense layer; returns float32 logits [N, classes].

    The logits stay in float32 under mixed precision: a softmax over half-precision logits loses rare classes.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
