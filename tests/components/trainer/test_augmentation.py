"""What a recipe does to the images of a training batch."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

import models
from components.trainer.augmentation import augmented
from models.recipes import Recipe

ALL = {"flip": True, "shift": 0.125, "rotation": 10.0, "crop": 0.5, "colour": 0.2, "rand_augment": 0.3, "erasing": 0.9}
MIXED = ALL | {"mixup": 0.4, "cutmix": 1.0}


def dataset(images, batch_size=64):
    images = np.asarray(images, np.uint8)
    return tf.data.Dataset.from_tensor_slices((images, np.arange(len(images)))).batch(batch_size)


def epoch(changed):
    images, labels = zip(*changed.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def changed(images, **fields):
    return epoch(augmented(dataset(images), Recipe(**fields), 200))[0]


def copies(image, count=200):
    return np.repeat(np.asarray(image, np.uint8)[np.newaxis], count, axis=0)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(1, 256, (200, 8, 10, 3)).astype(np.uint8)


@pytest.fixture
def one():
    """An image that is no shift, turn or mirror image of itself."""
    return np.random.default_rng(1).integers(1, 256, (8, 10, 1)).astype(np.uint8)


def test_a_recipe_that_asks_for_nothing_adds_nothing(noise):
    batches = dataset(noise)
    assert augmented(batches, Recipe(), 200) is batches


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("form", ["paper", "small"])
def test_every_shipped_recipe_can_be_followed(name, form, noise):
    images = changed(noise, **dataclasses.asdict(models.recipe(name, form)))
    assert images.std() > 10


@pytest.mark.parametrize("fields", [{name: value} for name, value in ALL.items()] + [ALL], ids="+".join)
def test_batches_stay_what_the_network_expects(fields, noise):
    batches = dataset(noise)
    found = augmented(batches, Recipe(**fields), 200)
    assert found.element_spec == batches.element_spec
    assert int(found.cardinality()) == 4
    images, labels = epoch(found)
    assert labels.tolist() == list(range(200))
    unchanged = (images == noise).all(axis=(1, 2, 3))
    assert unchanged.mean() < 0.6


@pytest.mark.parametrize("fields", [{"mixup": 1.0}, {"cutmix": 1.0}, MIXED], ids="+".join)
def test_mixed_labels_are_shares_of_the_classes(fields, noise):
    found = augmented(dataset(noise), Recipe(**fields), 200)
    assert found.element_spec[0] == dataset(noise).element_spec[0]
    assert found.element_spec[1] == tf.TensorSpec([None, 200], tf.float32)
    _, shares = epoch(found)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares.max(axis=1) < 1).mean() > 0.3
    assert 1.0 < (shares > 0).sum(axis=1).mean() <= 2


def test_a_stage_draws_as_it_did_whatever_comes_beside_it(noise):
    """So that a recipe with one field more is the same training with one change more."""
    alone, both = (
        epoch(augmented(dataset(noise), Recipe(mixup=1.0, **more), 200))[1] for more in ({}, {"erasing": 0.5})
    )
    np.testing.assert_array_equal(alone, both)


@pytest.mark.parametrize("fields", [{"flip": True}, {"shift": 0.125}, ALL, MIXED], ids="+".join)
def test_the_seed_and_the_step_alone_decide(fields, noise):
    def epochs(seed):
        return [epoch(augmented(dataset(noise), Recipe(seed=seed, **fields), 200, step))[0] for step in (0, 4, 8)]

    first, again, other = epochs(5), epochs(5), epochs(6)
    np.testing.assert_array_equal(first, again)
    assert len({images.tobytes() for images in [*first, *other]}) == 6


def test_a_batch_follows_from_its_step_wherever_the_data_set_begins(noise):
    whole = list(augmented(dataset(noise).repeat(2), Recipe(**MIXED), 200).as_numpy_iterator())
    second = list(augmented(dataset(noise), Recipe(**MIXED), 200, 4).as_numpy_iterator())
    for found, expected in zip(second, whole[4:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_images_of_a_batch_change_independently(one):
    images = changed(copies(one, 64), **ALL)
    assert len({image.tobytes() for image in images}) == 64


def test_half_of_the_images_are_mirrored(one):
    images = changed(copies(one, 1000), flip=True)
    mirrored = (images == one[:, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (images == one).all(axis=(1, 2, 3))).all()
    assert 0.4 < mirrored.mean() < 0.6


def moved(image, down, right):
    """Returns the image moved by whole pixels over black."""
    height, width, _ = image.shape
    framed = np.pad(image, [(height, height), (width, width), (0, 0)])
    return framed[height - down : 2 * height - down, width - right : 2 * width - right]


@pytest.mark.parametrize(("shift", "rows", "columns"), [(0.25, 2, 2), (0.4, 3, 4), (0.01, 1, 1)])
def test_a_shift_alone_is_of_whole_pixels_in_all_directions_alike(one, shift, rows, columns):
    expected = {
        moved(one, down, right).tobytes() for down in range(-rows, rows + 1) for right in range(-columns, columns + 1)
    }
    found = Counter(image.tobytes() for image in changed(copies(one, 4000), shift=shift))
    assert set(found) == expected
    assert min(found.values()) > 4000 / len(expected) / 3


def test_a_turn_stays_within_its_angle_and_about_the_centre():
    image = np.zeros((33, 33, 1))
    image[16, 28] = image[15, 28] = image[17, 28] = 255
    images = changed(copies(image), rotation=30.0)[..., 0].astype(float)
    rows, columns = np.mgrid[-16:17, -16:17]
    mass = images.sum(axis=(1, 2))
    y, x = (images * rows).sum(axis=(1, 2)) / mass, (images * columns).sum(axis=(1, 2)) / mass
    np.testing.assert_allclose(np.hypot(x, y), 12, atol=0.25)
    angles = np.degrees(np.arctan2(y, x))
    assert -31 < angles.min() < -25
    assert 25 < angles.max() < 31
    assert abs(angles.mean()) < 5


def test_what_a_turn_brings_in_is_black():
    corners = changed(np.full((200, 9, 9, 1), 255), rotation=45.0)[:, 0, 0, 0]
    assert corners.min() == 0


def test_a_crop_keeps_its_share_and_brings_in_no_black():
    """On a ramp each crop is a ramp, as much flatter as its side is shorter."""
    ramp = np.broadcast_to(np.arange(33)[np.newaxis, :, np.newaxis] * 7, (33, 33, 1))
    images = changed(copies(ramp), crop=0.25).astype(float)
    first, last = images[:, 0, 0, 0], images[:, 0, -1, 0]
    area = ((last - first) / (32 * 7)) ** 2
    assert 0.24 < area.min() < 0.3
    assert 0.95 < area.max() <= 1
    assert 0.55 < area.mean() < 0.7
    assert first.min() >= 0
    assert last.max() <= 32 * 7
    assert first.std() > 10, "crops lie in different places"
    np.testing.assert_allclose(np.ptp(images, axis=1), 0, atol=1)


def test_crops_lie_anywhere_in_both_directions():
    white = changed(np.full((200, 9, 12, 3), 255), crop=0.1)
    assert white.min() == 255
    quarters = np.zeros((33, 33, 1))
    quarters[:16, :16], quarters[:16, 16:], quarters[16:, :16], quarters[16:, 16:] = 10, 20, 30, 40
    small = changed(copies(quarters), crop=0.01)[:, 16, 16, 0]
    assert {10, 20, 30, 40} <= set(small.tolist())


def test_colour_changes_brightness_by_its_share_of_the_grey_levels():
    images = changed(np.full((1000, 4, 4, 3), 100), colour=0.2).astype(int)
    assert np.ptp(images, axis=(1, 2, 3)).max() == 0
    change = images[:, 0, 0, 0] - 100
    assert -51 <= change.min() < -45
    assert 45 < change.max() <= 51


def test_colour_changes_contrast_about_the_mean():
    image = np.zeros((4, 4, 1))
    image[:2], image[2:] = 100, 150
    images = changed(copies(image, 1000), colour=0.2).astype(int)
    contrast = (images[:, 3, 0, 0] - images[:, 0, 0, 0]) / 50
    assert 0.78 < contrast.min() < 0.85
    assert 1.15 < contrast.max() < 1.22


def test_colours_end_at_black_and_white():
    images = changed(np.concatenate([np.full((50, 4, 4, 1), 250), np.full((50, 4, 4, 1), 5)]), colour=0.9)
    assert (images.min(), images.max()) == (0, 255)


def test_what_a_shift_brings_in_is_black_in_other_colours_too():
    images = changed(np.full((200, 8, 8, 1), 120), colour=0.2, shift=0.125)
    values = [set(np.unique(image)) for image in images]
    assert max(map(len, values)) == 2
    assert all(len(found) == 1 or 0 in found for found in values)
