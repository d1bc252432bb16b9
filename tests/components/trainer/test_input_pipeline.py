"""Transformed examples into batches."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components import images
from components.dataset_gen import scans
from components.trainer import input_pipeline, memory
from components.trainer.splits import Split
from models.recipes import Recipe

SHAPE = (8, 8, 1)
WAYS = {"decoded": "decoded, in memory", "encoded": "encoded, in memory", "streamed": "in files"}


@pytest.fixture(scope="module")
def split(few):
    return Split.counted([few[0]], SHAPE, 10)


@pytest.fixture
def ways(monkeypatch):
    """Leaves so little memory that images are kept this way; returns whether they are kept at all."""

    def leave(way):
        monkeypatch.setattr(memory, "available", lambda: 2**30 if way == "decoded" else 0)
        # Encoded, an image of 8x8 takes more than its pixels do, which never are worth to be decoded each time.
        monkeypatch.setattr(Split, "encoded_bytes", 1000 if way == "encoded" else 10_000)
        return way != "streamed"

    return leave


@pytest.fixture
def decoded(monkeypatch):
    """Counts the calls that decode images."""
    calls, real = [], images.decode

    def decode(encoded, shape):
        tf.py_function(lambda: calls.append(1), [], [])
        return real(encoded, shape)

    monkeypatch.setattr(input_pipeline.images, "decode", decode)
    return calls


def epochs(dataset):
    """Reads a data set of 320 images; returns the batches of each epoch."""
    batches = list(dataset.as_numpy_iterator())
    return [batches[start : start + 5] for start in range(0, len(batches), 5)]


def order(batches):
    return [image.tobytes() for pixels, _ in batches for image in pixels]


def training(split, seed, batch_size=64, epochs=1, done=0, kept=True, **fields):
    recipe = Recipe(seed=seed, batch_size=batch_size, epochs=epochs, **fields)
    return input_pipeline.training_batches(split, recipe, done, kept=kept)


@pytest.mark.parametrize("fields", [None, {}, {"shift": 0.125, "rotation": 10.0}], ids=str)
def test_batches_are_pixels_and_labels(split, fields):
    data = input_pipeline.batches(split, 100) if fields is None else training(split, 3, 100, **fields)
    batches = list(data.as_numpy_iterator())
    assert int(data.cardinality()) == 4
    assert [images.shape for images, _ in batches] == [(100, *SHAPE)] * 3 + [(20, *SHAPE)]
    assert {(images.dtype.name, labels.dtype.name) for images, labels in batches} == {("uint8", "int64")}


def test_every_image_keeps_its_label(split):
    pixels, labels = scans.load_images()
    known = {image.tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    for batches in (input_pipeline.batches(split, 64), training(split, 3)):
        for pixels, found in batches.as_numpy_iterator():
            assert [known[image.tobytes()] for image in pixels] == found.tolist()


def test_the_order_is_that_of_the_files_except_in_training(split, few, transformed, records):
    rows = [tf.train.Example.FromString(record) for record in records(transformed["transformed_examples"], "train")]
    encoded = [row.features.feature["image"].bytes_list.value[0] for row in rows[:320]]
    expected = [tf.io.decode_png(image).numpy().tobytes() for image in encoded]
    data = input_pipeline.batches(split, 64)
    assert order(data.as_numpy_iterator()) == order(data.as_numpy_iterator()) == expected


def test_in_training_each_epoch_has_an_order_of_its_own_and_every_run_the_same(split):
    first, second, third = epochs(training(split, 5, epochs=3))
    assert len({tuple(order(epoch)) for epoch in (first, second, third)}) == 3
    (plain,) = epochs(input_pipeline.batches(split, 64))
    assert sorted(order(first)) == sorted(order(second)) == sorted(order(plain))
    again = epochs(training(split, 5, epochs=3))
    assert [order(epoch) for epoch in again] == [order(epoch) for epoch in (first, second, third)]
    (other,) = epochs(training(split, 6))
    assert order(other) != order(first)


def test_each_epoch_augments_the_cached_images_anew(split):
    """Without the order, only the mirrored images tell one epoch from another."""
    plain = sorted(order(input_pipeline.batches(split, 64).as_numpy_iterator()))
    mirrored = {np.frombuffer(image, np.uint8).reshape(SHAPE)[:, ::-1].tobytes() for image in plain}
    first, second = (sorted(order(epoch)) for epoch in epochs(training(split, 5, epochs=2, flip=True)))
    assert first != second
    for found in (first, second):
        assert plain != found
        assert set(found) <= {*plain, *mirrored}


@pytest.mark.parametrize("done", [0, 1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_after_some_epochs_is_what_would_have_come(split, ways, way, done):
    kept = ways(way)
    changes = {"epochs": 3, "shift": 0.125, "rotation": 10.0, "colour": 0.2, "mixup": 0.4, "erasing": 0.5}
    whole = epochs(training(split, 5, kept=kept, **changes))
    left = epochs(training(split, 5, done=done, kept=kept, **changes))
    assert [order(epoch) for epoch in left] == [order(epoch) for epoch in whole[done:]]


@pytest.mark.parametrize("seed", [0, 5])
def test_streaming_follows_the_recipe_whatever_the_global_seed(split, ways, seed):
    kept, found = ways("streamed"), []
    for told in (0, 1, seed):
        keras.utils.set_random_seed(told)
        found.append(order(training(split, seed, kept=kept).as_numpy_iterator()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("way", WAYS)
def test_whatever_fits_into_memory_an_epoch_has_every_image_once(split, ways, way):
    first, second = epochs(training(split, 5, kept=ways(way), epochs=2))
    (plain,) = epochs(input_pipeline.batches(split, 64))
    assert sorted(order(first)) == sorted(order(second)) == sorted(order(plain))
    assert order(first) != order(second)


def test_how_images_are_kept_does_not_change_their_order(split, ways):
    found = [order(training(split, 5, kept=ways(way)).as_numpy_iterator()) for way in ("decoded", "encoded")]
    assert found[0] == found[1]


@pytest.mark.parametrize(("way", "where"), WAYS.items())
def test_the_choice_is_logged_in_one_line(split, ways, way, where, caplog):
    with caplog.at_level(logging.INFO):
        training(split, 5, kept=ways(way))
    (line,) = [record.getMessage() for record in caplog.records if "Images are kept" in record.getMessage()]
    assert f"split=train where={where!r} images=320 decoded_bytes={320 * (64 + 8)}" in line


@pytest.mark.parametrize(("gib", "fit"), [(16, True), (1e-9, False)])
def test_what_fits_goes_by_what_the_machine_has(split, monkeypatch, gib, fit):
    monkeypatch.setattr(memory, "total", lambda: gib * 2**30)
    monkeypatch.setattr(memory, "available", lambda: 0)
    assert input_pipeline.fits(split) == fit


@pytest.mark.parametrize(("available", "decodings"), [(2**30, 1), (0, 3)])
def test_validation_images_are_decoded_once_where_they_fit(split, monkeypatch, decoded, available, decodings):
    monkeypatch.setattr(memory, "available", lambda: available)
    batches = input_pipeline.validation_batches(split, 320)
    seen = [order(batches.as_numpy_iterator()) for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]
    assert len(decoded) == decodings


@pytest.mark.parametrize(("way", "decodings"), [("decoded", 1), ("encoded", 15), ("streamed", 15)])
def test_images_in_memory_are_decoded_once_and_others_for_each_batch(split, ways, decoded, way, decodings):
    batches = list(training(split, 5, epochs=3, kept=ways(way)))
    assert (len(batches), len(decoded)) == (15, decodings)


@pytest.mark.parametrize("files", [1, 3, 40])
@pytest.mark.parametrize("way", WAYS)
def test_classes_that_lie_one_after_the_other_are_mixed(tmp_path, ways, monkeypatch, files, way):
    """Of 2,000 images of ten classes in a row, the buffer holds a tenth."""
    split = in_a_row(tmp_path, files)
    kept = ways(way)
    monkeypatch.setattr(input_pipeline, "BUFFER", split.encoded_bytes // 10)
    labels = [labels for _, labels in training(split, 5, 100, kept=kept).as_numpy_iterator()]
    assert sorted(np.concatenate(labels)) == sorted(list(range(10)) * 200)
    counts = np.array([np.bincount(batch, minlength=10) for batch in labels])
    assert counts.max() < 35, "of 100, where 10 are due"
    assert 8 <= np.median(counts) <= 12


def in_a_row(root, files):
    """Writes ten classes, one after the other; returns the split."""
    example = tf.train.Example()
    encoded = tf.io.encode_png(np.zeros(SHAPE, np.uint8)).numpy()
    example.features.feature["image"].bytes_list.value.append(encoded)
    label = example.features.feature["label"].int64_list.value
    for number, labels in enumerate(np.array_split(np.repeat(np.arange(10), 200), files)):
        with tf.io.TFRecordWriter(str(root / f"part-{number:02}.gz"), "GZIP") as writer:
            for label[:] in labels[:, np.newaxis].tolist():
                writer.write(example.SerializeToString())
    return Split.counted([str(root / "part-*")], SHAPE, 10)


def test_what_several_devices_leave_out_is_left_out_of_each_epoch(split, ways):
    for way in WAYS:
        recipe = Recipe(batch_size=100, epochs=2)
        data = input_pipeline.training_batches(split, recipe, whole=True, kept=ways(way))
        assert [len(labels) for _, labels in data.as_numpy_iterator()] == [100] * 6
        assert int(data.cardinality()) == 6


def test_reads_the_pixel_statistics(few):
    pixels, labels = scans.load_images()
    train = pixels[scans.split_rows(labels)["train"]].astype(np.float64)
    found = input_pipeline.pixel_statistics([few[0]], 1)
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
