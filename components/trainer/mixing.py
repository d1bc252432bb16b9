"""What puts noise, or another image of the batch, in the place of pixels: RandomErasing, MixUp and CutMix.

Keras' layers draw and paint; their seeds come from `Draws`.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.trainer.draws import Draws

Batch = tuple[tf.Tensor, tf.Tensor]
Mix = Callable[[tf.Tensor, tf.Tensor, Draws], Batch]


def erasing(probability: float) -> Callable[[tf.Tensor, Draws], tf.Tensor]:
    """Makes what fills a rectangle of an image with noise (Zhong et al. 2017, https://arxiv.org/abs/1708.04896).

    Args:
      probability: Of each image.

    Returns:
      A function of uint8 images [N, H, W, C], and of where randomness comes from, to images of the same shape.
    """
    layer = keras.layers.RandomErasing(factor=(probability, probability), seed=0, dtype="float32")

    def change(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        drawn = layer.get_random_transformation(images, training=True, seed=draws)
        # Every grey level alike, as in the paper: half of what Keras fills in is black.
        drawn["fill_value"] = keras.random.uniform(tf.shape(images), 0.0, 255.0, seed=draws)
        return _pixels(layer.transform_images(images, drawn))

    return change


def mixing(mixup: float, cutmix: float) -> Mix:
    """Makes what mixes each image with another one of its batch.

    Args:
      mixup: Alpha; 0 means never.
      cutmix: Alpha; 0 means never. With both, either has half of the batches.

    Returns:
      A function of uint8 images [N, H, W, C], the shares that they have of each class, float32 [N, classes], and of
      where randomness comes from, to images and shares of the same shapes.
    """
    if not (mixup and cutmix):
        return _blending(mixup) if mixup else _pasting(cutmix)
    blend, paste = _blending(mixup), _pasting(cutmix)

    def either(images: tf.Tensor, shares: tf.Tensor, draws: Draws) -> Batch:
        first = keras.random.uniform((), seed=draws) < 0.5
        mixed = tf.cond(first, lambda: blend(images, shares, draws), lambda: paste(images, shares, draws))
        return mixed[0], mixed[1]

    return either


def _blending(alpha: float) -> Mix:
    """Makes MixUp (Zhang et al. 2017, https://arxiv.org/abs/1710.09412)."""
    layer = keras.layers.MixUp(alpha, seed=0, dtype="float32")

    def blend(images: tf.Tensor, shares: tf.Tensor, draws: Draws) -> Batch:
        drawn = layer.get_random_transformation(images, seed=draws)
        drawn["mix_weight"] = _beta(alpha, tf.shape(images)[0], draws)
        return _applied(layer, images, shares, drawn)

    return blend


def _pasting(alpha: float) -> Mix:
    """Makes CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899)."""
    layer = _CutMix((alpha, alpha), seed=0, dtype="float32")

    def paste(images: tf.Tensor, shares: tf.Tensor, draws: Draws) -> Batch:
        drawn = layer.get_random_transformation(images, training=True, seed=draws)
        # Keras' weight is that of a rectangle whose corners lie between pixels: here it is the pixels that count.
        drawn["mix_weight"] = 1 - tf.reduce_mean(tf.cast(drawn["batch_masks"], tf.float32), [1, 2, 3])
        return _applied(layer, images, shares, drawn)

    return paste


class _CutMix(keras.layers.CutMix):
    """CutMix with the paper's shares: Keras draws an alpha for each batch first, and then as `_beta` says."""

    def _generate_mix_weight(self, batch_size: tf.Tensor, seed: Draws) -> tf.Tensor:
        return _beta(self.factor[1], batch_size, seed)


def _beta(alpha: float, count: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Draws from Beta(alpha, alpha): [count].

    It is the ratio of two draws from Gamma(alpha), each one from Gamma(alpha + 1) times a power of a uniform one, whose
    logarithms no alpha is too small for. Keras divides the draws themselves: of an alpha below 0.05, both often are the
    smallest float there is, and the share then a half.
    """

    def logarithm() -> tf.Tensor:
        gamma = keras.random.gamma((count,), alpha + 1.0, dtype="float32", seed=draws)
        power = tf.math.log(keras.random.uniform((count,), 1e-7, 1.0, dtype="float32", seed=draws)) / alpha
        return tf.math.log(gamma) + power

    return tf.sigmoid(logarithm() - logarithm())


def _applied(layer: keras.layers.Layer, images: tf.Tensor, shares: tf.Tensor, drawn: dict[str, Any]) -> Batch:
    changed = layer.transform_images(images, drawn, training=True)
    return _pixels(changed), layer.transform_labels(shares, drawn, training=True)


def _pixels(values: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(tf.round(values), tf.uint8)
