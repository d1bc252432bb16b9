"""The split of what has none."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dataset_gen import splits

DIGESTS = st.binary(min_size=16, max_size=16)
SOME = st.sets(st.sampled_from(splits.SPLITS))


@given(st.sampled_from(splits.SPLITS), DIGESTS, SOME)
def test_only_train_is_carved_and_only_for_what_is_missing(split, digest, available):
    placed = splits.place(split, digest, available)
    assert placed == split or (split == "train" and placed not in available)


@given(DIGESTS, SOME)
def test_a_split_more_moves_only_what_was_carved_for_it(digest, available):
    before = splits.place("train", digest, available)
    for more in splits.SPLITS:
        after = splits.place("train", digest, {*available, more})
        assert before in {after, more}


@pytest.mark.parametrize(
    ("available", "shares"),
    [
        (("train",), {"test": 0.1, "validation": 0.1, "train": 0.8}),
        (("train", "test"), {"validation": 0.1, "train": 0.9}),
        (("train", "validation"), {"test": 0.1, "train": 0.9}),
        (splits.SPLITS, {"train": 1.0}),
    ],
)
def test_a_tenth_is_carved(available, shares):
    rows = 20_000
    placed = [splits.place("train", hashlib.sha256(b"%d" % row).digest(), available) for row in range(rows)]
    assert {split: pytest.approx(placed.count(split) / rows, abs=0.01) for split in set(placed)} == shares


@pytest.mark.parametrize(("word", "split"), [("Train", "train"), ("VAL", "validation"), ("dev", "validation")])
def test_splits_have_many_names(word, split):
    assert splits.called(word) == split
    assert splits.called("cats") is None
