"""Transformed examples into batches."""

import numpy as np
import pytest
import tensorflow as tf

from components.dataset_gen import scans
from components.trainer import input_pipeline
from models.recipes import Recipe

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def files(few):
    return [few[0]]


def epochs(dataset, count):
    """Reads a data set several times over, as `fit` does; returns the batches of each time."""
    return [list(dataset.as_numpy_iterator()) for _ in range(count)]


def order(batches):
    return [image.tobytes() for images, _ in batches for image in images]


def training(files, seed, batch_size=64, **fields):
    return input_pipeline.training_batches(files, SHAPE, Recipe(seed=seed, batch_size=batch_size, **fields))


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
    first, second = epochs(input_pipeline.batches(files, SHAPE, 64), 2)
    assert order(first) == order(second) == expected


def test_in_training_each_epoch_has_an_order_of_its_own_and_every_run_the_same(files):
    first, second, third = epochs(training(files, 5), 3)
    assert len({tuple(order(epoch)) for epoch in (first, second, third)}) == 3
    assert (
        sorted(order(first))
        == sorted(order(second))
        == sorted(order(epochs(input_pipeline.batches(files, SHAPE, 64), 1)[0]))
    )
    again = epochs(training(files, 5), 3)
    assert [order(epoch) for epoch in again] == [order(epoch) for epoch in (first, second, third)]
    other = epochs(training(files, 6), 1)[0]
    assert order(other) != order(first)


def test_each_epoch_augments_the_cached_images_anew(files):
    """Without the order, only the mirrored images tell one epoch from another."""
    plain = sorted(order(epochs(input_pipeline.batches(files, SHAPE, 64), 1)[0]))
    mirrored = {np.frombuffer(image, np.uint8).reshape(SHAPE)[:, ::-1].tobytes() for image in plain}
    first, second = (sorted(order(epoch)) for epoch in epochs(training(files, 5, flip=True), 2))
    assert first != second
    for images in (first, second):
        assert plain != images
        assert set(images) <= {*plain, *mirrored}
    assert [sorted(order(epoch)) for epoch in epochs(training(files, 5, flip=True), 2)] == [first, second]


def test_counts_the_examples_of_all_patterns(few):
    assert input_pipeline.count([few[0]]) == 320
    assert input_pipeline.count(list(few)) == 384


def test_reads_the_pixel_statistics(files):
    images, labels = scans.load_images()
    train = images[scans.split_rows(labels)["train"]].astype(np.float64)
    found = input_pipeline.pixel_statistics(files, 1)
    assert found.mean == pytest.approx((train.mean(),), rel=1e-6)
    assert found.variance == pytest.approx((train.var(),), rel=1e-6)
