"""RandomErasing, MixUp and CutMix, on pixels and on labels."""

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import mixing
from components.trainer.draws import Draws

CLASSES = 64


def draws(step=0):
    return Draws(tf.constant([5, step], tf.int64), 3)


def plain(count=CLASSES, shape=(16, 12, 3)):
    """Makes images of one grey level each, that of image n being n, each of a class of its own."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, *shape))
    return tf.constant(images), tf.one_hot(np.arange(count), count)


def mixed(mixup, cutmix, step=0, shape=(16, 12, 3)):
    run = tf.function(mixing.mixing(mixup, cutmix), autograph=False)
    images, shares = run(*plain(shape=shape), draws(step))
    assert (images.dtype, images.shape, shares.dtype) == (tf.uint8, (CLASSES, *shape), tf.float32)
    np.testing.assert_allclose(shares.numpy().sum(axis=1), 1, rtol=1e-5)
    assert shares.numpy().min() >= 0
    return images.numpy(), shares.numpy()


def rectangle(mask):
    """Returns whether what is marked is a whole rectangle, or nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return True
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 12, 3), (33, 20, 1)], ids=str)
@pytest.mark.parametrize("alpha", [0.05, 1.0])
def test_cutmix_pastes_a_rectangle_of_another_image_and_shares_the_label_by_its_area(alpha, shape):
    images, shares = mixed(0.0, alpha, shape=shape)
    partners = set()
    for number, (image, share) in enumerate(zip(images, shares, strict=True)):
        foreign = image[..., 0] != number
        assert rectangle(foreign)
        assert (image == image[..., :1]).all()
        partner = set(image[foreign].ravel().tolist())
        assert len(partner) <= 1
        expected = np.zeros(CLASSES)
        for other in partner:
            expected[other] = foreign.mean()
        expected[number] += 1 - foreign.mean()
        np.testing.assert_allclose(share, expected, atol=1e-5)
        partners |= partner
    assert len(partners) > CLASSES / 4


def test_cutmix_draws_areas_of_all_sizes():
    areas = [1 - mixed(0.0, 1.0, step)[1][np.arange(CLASSES), np.arange(CLASSES)] for step in range(4)]
    assert np.histogram(areas, bins=4, range=(0, 1))[0].min() > 10


def test_mixup_blends_pixels_and_labels_alike():
    images, shares = mixed(1.0, 0.0)
    assert (images == images[:, :1, :1, :1]).all()
    np.testing.assert_allclose(images[:, 0, 0, 0], shares @ np.arange(CLASSES), atol=0.51)
    own = shares[np.arange(CLASSES), np.arange(CLASSES)]
    assert np.histogram(own, bins=4, range=(0, 1))[0].min() > 3


@pytest.mark.parametrize("alpha", [1e-6, 0.01])
def test_a_small_alpha_mixes_little_and_makes_no_nan(alpha):
    for ways in ((alpha, 0.0), (0.0, alpha)):
        images, shares = mixed(*ways)
        assert np.isfinite(shares).all()
        assert np.mean(shares.max(axis=1) > 0.99) > 0.9
        assert len(np.unique(images)) > CLASSES / 4


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0])
def test_shares_are_drawn_from_beta(alpha):
    drawn = mixing._beta(alpha, 4000, draws()).numpy(), np.random.default_rng(0).beta(alpha, alpha, 10**5)
    found, expected = (np.histogram(one, [0, 0.01, 0.1, 0.5, 0.9, 0.99, 1])[0] / one.size for one in drawn)
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_with_both_either_has_half_of_the_batches():
    """MixUp's images are grey all over."""
    grey = [(images == images[:, :1, :1, :1]).all() for images, _ in (mixed(1.0, 1.0, step) for step in range(40))]
    assert 10 < sum(grey) < 30


@pytest.mark.parametrize("ways", [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)], ids=str)
def test_the_seed_and_the_step_alone_decide(ways):
    first, again, other = mixed(*ways), mixed(*ways), mixed(*ways, step=1)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()


def erased(probability, step=0, shape=(32, 32, 3), count=1000):
    images = np.full((count, *shape), 76, np.uint8)
    found = mixing.erasing(probability)(tf.constant(images), draws(step))
    assert (found.dtype, found.shape) == (tf.uint8, images.shape)
    return found.numpy()


@pytest.mark.parametrize("probability", [0.25, 1.0])
def test_as_many_images_lose_a_rectangle_as_asked_for(probability):
    images = erased(probability, count=400)
    lost = (images != 76).any(axis=3)
    assert np.mean(lost.any(axis=(1, 2))) == pytest.approx(probability, abs=0.06)
    assert all(map(rectangle, lost))
    areas = lost.mean(axis=(1, 2))[lost.any(axis=(1, 2))]
    assert 0.015 < areas.min() < 0.05
    assert 0.25 < areas.max() < 0.4


def test_what_comes_in_is_noise_of_every_level_alike():
    images = erased(1.0)
    values = images[(images != 76).any(axis=3)]
    shares = np.histogram(values, bins=8, range=(0, 256))[0] / values.size
    np.testing.assert_allclose(shares, 1 / 8, atol=0.01)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (224, 224, 3)], ids=str)
def test_images_of_any_size_lose_something(shape):
    assert (erased(1.0, shape=shape, count=20) != 76).any(axis=(1, 2, 3)).all()


def test_erasing_follows_the_step():
    np.testing.assert_array_equal(erased(0.5, count=50), erased(0.5, count=50))
    assert (erased(0.5, count=50) != erased(0.5, step=1, count=50)).any()
