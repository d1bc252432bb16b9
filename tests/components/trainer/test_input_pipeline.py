"""Transformed examples into batches."""

import numpy as np
import pytest
import tensorflow as tf

from components.dataset_gen import scans
from components.trainer import input_pipeline

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def files(few):
    return [few[0]]


def epochs(dataset, count):
    """Reads a data set several times over, as `fit` does; returns the batches of each time."""
    return [list(dataset.as_numpy_iterator()) for _ in range(count)]


def order(batches):
    return [image.tobytes() for images, _ in batches for image in images]


def test_batches_are_pixels_and_labels(files):
    batches = list(input_pipeline.batches(files, SHAPE, 100).as_numpy_iterator())
    assert [images.shape for images, _ in batches] == [(100, *SHAPE)] * 3 + [(20, *SHAPE)]
    assert {(images.dtype.name, labels.dtype.name) for images, labels in batches} == {("uint8", "int64")}


def test_knows_how_many_batches_there_are(files):
    for shuffle_seed in (None, 3):
        assert int(input_pipeline.batches(files, SHAPE, 100, shuffle_seed=shuffle_seed).cardinality()) == 4


def test_every_image_keeps_its_label(files):
    images, labels = scans.load_images()
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for shuffle_seed in (None, 3):
        batches = input_pipeline.batches(files, SHAPE, 64, shuffle_seed=shuffle_seed)
        for pixels, found in batches.as_numpy_iterator():
            assert [known[image.tobytes()] for image in pixels] == found.tolist()


def test_without_a_seed_the_order_is_that_of_the_files(files, few, transformed, records):
    rows = [tf.train.Example.FromString(record) for record in records(transformed["transformed_examples"], "train")]
    encoded = [row.features.feature["image"].bytes_list.value[0] for row in rows[:320]]
    expected = [tf.io.decode_png(image).numpy().tobytes() for image in encoded]
    first, second = epochs(input_pipeline.batches(files, SHAPE, 64), 2)
    assert order(first) == order(second) == expected


def test_a_seed_gives_each_epoch_an_order_of_its_own_and_every_run_the_same(files):
    first, second, third = epochs(input_pipeline.batches(files, SHAPE, 64, shuffle_seed=5), 3)
    assert len({tuple(order(epoch)) for epoch in (first, second, third)}) == 3
    assert (
        sorted(order(first))
        == sorted(order(second))
        == sorted(order(epochs(input_pipeline.batches(files, SHAPE, 64), 1)[0]))
    )
    again = epochs(input_pipeline.batches(files, SHAPE, 64, shuffle_seed=5), 3)
    assert [order(epoch) for epoch in again] == [order(epoch) for epoch in (first, second, third)]
    other = epochs(input_pipeline.batches(files, SHAPE, 64, shuffle_seed=6), 1)[0]
    assert order(other) != order(first)


def test_counts_the_examples_of_all_patterns(few):
    assert input_pipeline.count([few[0]]) == 320
    assert input_pipeline.count(list(few)) == 384


def test_reads_the_pixel_statistics(files):
    images, labels = scans.load_images()
    train = images[scans.split_rows(labels)["train"]].astype(np.float64)
    found = input_pipeline.pixel_statistics(files, 1)
    assert found.mean == pytest.approx((train.mean(),), rel=1e-6)
    assert found.variance == pytest.approx((train.var(),), rel=1e-6)
