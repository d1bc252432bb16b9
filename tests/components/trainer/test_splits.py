"""What a split says of itself."""

import numpy as np
import pytest
import tensorflow as tf

from components import names
from components.trainer import splits
from components.trainer.splits import Split

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def both(few):
    return Split.counted(few, SHAPE, 11)


def test_counts_the_examples_of_each_file_and_class(few, both):
    assert [count for _, count in both.files] == [320, 64]
    assert both.size == 384
    labels = np.concatenate([splits.parsed(rows)[1] for rows in both.records().batch(100)])
    assert both.counts == tuple(np.bincount(labels, minlength=11).tolist())


def test_counts_the_bytes_of_all_images(both):
    rows = [tf.train.Example.FromString(record) for record in both.records().as_numpy_iterator()]
    assert both.encoded == sum(len(row.features.feature[names.IMAGE].bytes_list.value[0]) for row in rows)
    assert both.decoded_bytes == 384 * (64 + 8)
    assert both.encoded_bytes > both.encoded


@pytest.mark.parametrize("number", [1, 2, 5, 1000])
def test_parts_are_all_there_is_and_of_even_size(both, number):
    found = both.parts(number)
    assert len(found) >= min(number, 2)
    for file, count in both.files:
        places = [place for path, first, size in found if path == file for place in range(first, first + size)]
        assert places == list(range(count))
        sizes = [size for path, _, size in found if path == file]
        assert max(sizes) - min(sizes) <= 1
