"""What RandAugment does to pixels."""

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import rand_augment
from components.trainer.draws import Draws


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (64, 16, 12, 3)).astype(np.uint8)


def draws(step=0, stage=1):
    return Draws(tf.constant([5, step], tf.int64), stage)


def changed(images, strength=0.5, step=0):
    run = tf.function(rand_augment.rand_augment(strength, images.shape[-1]), autograph=False)
    return run(tf.constant(images), draws(step)).numpy()


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (8, 8, 3), (28, 28, 1), (32, 48, 3), (224, 224, 1), (224, 224, 3)], ids=str
)
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_images_of_any_size_stay_images(shape, strength):
    images = np.random.default_rng(0).integers(0, 256, (24, *shape)).astype(np.uint8)
    found = changed(images, strength)
    assert (found.dtype, found.shape) == (np.uint8, images.shape)
    assert found.std() > 10


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_small_batch_leaves_operations_without_an_image(noise, count):
    assert changed(noise[:count]).shape == noise[:count].shape


@pytest.mark.parametrize("level", [0, 100, 255])
@pytest.mark.parametrize("operation", [rand_augment._contrasted, rand_augment._equalised])
def test_an_image_without_any_contrast_stays_as_it_is(operation, level):
    images = np.full((4, 8, 8, 3), level, np.float32)
    np.testing.assert_array_equal(operation()(tf.constant(images), draws()), images)


def test_the_seed_and_the_step_alone_decide(noise):
    np.testing.assert_array_equal(changed(noise), changed(noise))
    assert (changed(noise) != changed(noise, step=1)).mean() > 0.5


def test_each_image_has_operations_of_its_own():
    """Of one image 256 times, 121 pairs of operations, most with a strength of their own, make as many others."""
    image = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
    found = changed(np.repeat(image, 256, axis=0))
    assert len({one.tobytes() for one in found}) > 150


def test_a_stronger_one_changes_more(noise):
    weak, strong = (np.abs(changed(noise, strength).astype(int) - noise).mean() for strength in (0.05, 1.0))
    assert weak < 0.7 * strong


def test_each_operation_sees_the_images_that_drew_it_alone():
    operations = [lambda images, draws, add=add: images + add for add in (0, 10, 20)]
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
    chosen = np.random.default_rng(0).integers(0, 3, 30)
    found = rand_augment._each(tf.constant(images), tf.constant(chosen, tf.int32), operations, draws())
    np.testing.assert_array_equal(found.numpy().ravel(), np.arange(30) + 10 * chosen)


def test_solarisation_inverts_what_is_bright():
    ramp = np.tile(np.arange(256, dtype=np.float32)[:, np.newaxis, np.newaxis], (500, 1, 1, 1))
    found = rand_augment._solarised(0.5)(tf.constant(ramp), draws()).numpy()[..., 0, 0]
    inverted = found == 255 - ramp[..., 0, 0]
    assert (inverted | (found == ramp[..., 0, 0])).all()
    threshold = 256 - inverted.sum(axis=1)
    assert 127 <= threshold.min() < 140
    assert threshold.max() > 250


def test_each_image_is_equalised_by_its_own_histogram():
    dark, bright = np.arange(64) // 2, 200 + np.arange(64) // 2
    images = np.stack([dark, bright]).reshape(2, 8, 8, 1).astype(np.float32)
    found = rand_augment._equalised()(tf.constant(images), draws()).numpy().reshape(2, 64)
    for one in found:
        assert (one.min(), one.max()) == (0, 255)
        assert (np.diff(one) >= 0).all()


def test_images_move_to_all_sides_and_become_darker_and_brighter():
    """Keras' own RandAugment goes to the right, downwards and to white alone."""
    images = np.zeros((300, 9, 9, 3), np.uint8)
    images[:, 4, 4] = 100
    found = np.concatenate([changed(images, 1.0, step).astype(float).mean(axis=3) for step in range(4)])
    moved = found[(found[:, 4, 4] < 50) & (found.sum(axis=(1, 2)) < 150)]
    rows, columns = (moved.sum(axis=axis).argmax(axis=1) for axis in (2, 1))
    assert rows.min() < 4 < rows.max()
    assert columns.min() < 4 < columns.max()
    assert found[:, 4, 4].max() > 150
    assert (found[:, 4, 4] < 50).any()
