"""The digits: which scans, in which split, pixel by pixel."""

import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from components.dataset_gen import scans
from components.dataset_gen.facts import Settings

SIZES = {"train": 1257, "validation": 180, "test": 360}
# SHA-256 of the row numbers, as little-endian int64: moving a row between splits moves every number ever measured.
ROWS = {
    "train": "eca3d1617d92152a1b1e8a89fbe24854c4c9c2e0654e4ce705a6914a34250879",
    "validation": "cc3e965a959f08a862a04f54befd651b11157f6c67eb84a3ddbaa88b39f73186",
    "test": "2fbaae31b8c6aad12464a07771b64269876d904bfed86f77a63c8265fa201621",
}


@pytest.fixture(scope="module")
def rows():
    return scans.split_rows(scans.load_images()[1])


def test_the_splits_are_these_rows_for_good(rows):
    assert {split: len(chosen) for split, chosen in rows.items()} == SIZES
    assert {split: hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest() for split, chosen in rows.items()} == ROWS


def test_every_scan_is_in_one_split(rows):
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1797))


def test_each_split_has_the_classes_in_proportion(rows):
    labels = scans.load_images()[1]
    share = np.bincount(labels) / len(labels)
    for chosen in rows.values():
        assert np.abs(np.bincount(labels[chosen]) - share * len(chosen)).max() < 1


def test_tfds_stores_the_very_scans(examples, data_dir, rows):
    import tensorflow_datasets as tfds

    from components.dataset_gen import tfds_source

    images, labels = scans.load_images()
    builder = tfds_source.builder(Settings("digits", str(data_dir)))
    for split, chosen in rows.items():
        stored = list(tfds.as_numpy(builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})))
        decoded = [np.asarray(Image.open(io.BytesIO(row["image"]))) for row in stored]
        np.testing.assert_array_equal(decoded, images[chosen, ..., 0])
        assert [row["label"] for row in stored] == labels[chosen].tolist()


def test_the_scans_keep_scikit_learns_grey_levels():
    from sklearn.datasets import load_digits

    images, _ = scans.load_images()
    np.testing.assert_array_equal(np.rint(images[..., 0] * (16 / 255)), load_digits().images)
    assert sorted(Counter(images.ravel())) == [round(level * 255 / 16) for level in range(17)]
