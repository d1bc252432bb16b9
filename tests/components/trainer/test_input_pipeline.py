"""Transformed examples into batches."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components import images
from components.dataset_gen import scans
from components.trainer import input_pipeline
from models.recipes import Recipe

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def files(few):
    return [few[0]]


def epochs(dataset):
    """Reads a data set of 320 images; returns the batches of each epoch."""
    batches = list(dataset.as_numpy_iterator())
    return [batches[start : start + 5] for start in range(0, len(batches), 5)]


def order(batches):
    return [image.tobytes() for images, _ in batches for image in images]


def training(files, seed, batch_size=64, epochs=1, done=0, **fields):
    recipe = Recipe(seed=seed, batch_size=batch_size, epochs=epochs, **fields)
    return input_pipeline.training_batches(files, SHAPE, recipe, done)


@pytest.mark.parametrize("fields", [None, {}, {"shift": 0.125, "rotation": 10.0}], ids=str)
def test_batches_are_pixels_and_labels(files, fields):
    data = input_pipeline.batches(files, SHAPE, 100) if fields is None else training(files, 3, 100, **fields)
    batches = list(data.as_numpy_iterator())
    assert int(data.cardinality()) == 4
    assert [images.shape for images, _ in batches] == [(100, *SHAPE)] * 3 + [(20, *SHAPE)]
    assert {(images.dtype.name, labels.dtype.name) for images, labels in batches} == {("uint8", "int64")}


def test_every_image_keeps_its_label(files):
    images, labels = scans.load_images()
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for batches in (input_pipeline.batches(files, SHAPE, 64), training(files, 3)):
        for pixels, found in batches.as_numpy_iterator():
            assert [known[image.tobytes()] for image in pixels] == found.tolist()


def test_the_order_is_that_of_the_files_except_in_training(files, few, transformed, records):
    rows = [tf.train.Example.FromString(record) for record in records(transformed["transformed_examples"], "train")]
    encoded = [row.features.feature["image"].bytes_list.value[0] for row in rows[:320]]
    expected = [tf.io.decode_png(image).numpy().tobytes() for image in encoded]
    data = input_pipeline.batches(files, SHAPE, 64)
    assert order(data.as_numpy_iterator()) == order(data.as_numpy_iterator()) == expected


def test_in_training_each_epoch_has_an_order_of_its_own_and_every_run_the_same(files):
    first, second, third = epochs(training(files, 5, epochs=3))
    assert len({tuple(order(epoch)) for epoch in (first, second, third)}) == 3
    (plain,) = epochs(input_pipeline.batches(files, SHAPE, 64))
    assert sorted(order(first)) == sorted(order(second)) == sorted(order(plain))
    again = epochs(training(files, 5, epochs=3))
    assert [order(epoch) for epoch in again] == [order(epoch) for epoch in (first, second, third)]
    (other,) = epochs(training(files, 6))
    assert order(other) != order(first)


def test_each_epoch_augments_the_cached_images_anew(files):
    """Without the order, only the mirrored images tell one epoch from another."""
    plain = sorted(order(input_pipeline.batches(files, SHAPE, 64).as_numpy_iterator()))
    mirrored = {np.frombuffer(image, np.uint8).reshape(SHAPE)[:, ::-1].tobytes() for image in plain}
    first, second = (sorted(order(epoch)) for epoch in epochs(training(files, 5, epochs=2, flip=True)))
    assert first != second
    for found in (first, second):
        assert plain != found
        assert set(found) <= {*plain, *mirrored}


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_what_is_left_after_some_epochs_is_what_would_have_come(files, done):
    changes = {"epochs": 3, "shift": 0.125, "rotation": 10.0, "colour": 0.2}
    whole, left = epochs(training(files, 5, **changes)), epochs(training(files, 5, done=done, **changes))
    assert [order(epoch) for epoch in left] == [order(epoch) for epoch in whole[done:]]


def test_each_image_is_decoded_once(files, monkeypatch):
    decoded, real = [], images.decode

    def decode(encoded, shape):
        tf.py_function(lambda: decoded.append(1), [], [])
        return real(encoded, shape)

    monkeypatch.setattr(input_pipeline.images, "decode", decode)
    batches = list(training(files, 5, epochs=3))
    assert (len(batches), len(decoded)) == (15, 1)  # One call for up to 1,024 images.


def test_counts_the_examples_of_all_patterns(few):
    assert input_pipeline.count([few[0]]) == 320
    assert input_pipeline.count(list(few)) == 384


def test_counts_the_examples_of_each_class(files):
    labels = [int(label) for _, batch in input_pipeline.batches(files, SHAPE, 64) for label in batch]
    assert input_pipeline.class_counts(files, 1, 11) == [labels.count(one) for one in range(11)]


def test_reads_the_pixel_statistics(files):
    images, labels = scans.load_images()
    train = images[scans.split_rows(labels)["train"]].astype(np.float64)
    found = input_pipeline.pixel_statistics(files, 1)
    assert found.mean == pytest.approx((train.mean(),), rel=1e-6)
    assert found.variance == pytest.approx((train.var(),), rel=1e-6)


@given(st.integers(1, 100_000), st.integers(1, 16))
def test_every_device_gets_an_image_of_every_batch(images, devices):
    size = input_pipeline.divisible(images, devices)
    assert 1 <= size <= 1024
    if images >= devices**2:
        part = -(-size // devices)
        for batch in {size, images % size} - {0}:
            assert batch - part * (devices - 1) > 0


@given(st.integers(1, 100_000))
def test_one_device_takes_as_many_as_it_may(images):
    assert input_pipeline.divisible(images, 1) == min(images, 1024)
