"""What the graph learns of a data set, and which ones it refuses."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from components.dataset_gen import sources


class Stamps(tfds.core.GeneratorBasedBuilder):
    """Ten images in train and two in test: no validation split."""

    VERSION = tfds.core.Version("2.1.0")
    SHAPE = (4, 6, 3)

    def _info(self):
        image = tfds.features.Image(shape=self.SHAPE, encoding_format="png")
        label = tfds.features.ClassLabel(names=["old", "new"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"stamp": image, "age": label}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(10), "test": self._generate_examples(2)}

    def _generate_examples(self, count):
        for row in range(count):
            yield row, {"stamp": np.full((4, 6, 3), row, np.uint8), "age": row % 2}


class StampsOfAllSizes(Stamps):
    """Images of no fixed size."""

    SHAPE = (None, None, 3)


class StampsToTrainOn(Stamps):
    """No test split."""

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(10)}


class StampsByTwoJudges(Stamps):
    """Two labels an image."""

    def _info(self):
        label = tfds.features.ClassLabel(num_classes=2)
        features = {"image": tfds.features.Image(shape=self.SHAPE), "first": label, "second": label}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    def prepare(name):
        builder = sources.builder(name, str(tmp_path_factory.mktemp(name)))
        builder.download_and_prepare()
        return builder

    return prepare


def test_describes_a_data_set_without_preparing_it(tmp_path):
    assert sources.describe("digits", str(tmp_path)) == sources.DatasetFacts(
        "digits", "1.0.0", (8, 8, 1), tuple("0123456789")
    )
    assert sources.describe("stamps", str(tmp_path)) == sources.DatasetFacts(
        "stamps", "2.1.0", (4, 6, 3), ("old", "new")
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "nearest"), [("digts", "digits"), ("cifar-10", "cifar10"), ("mnits", "mnist")])
def test_an_unknown_name_is_told_the_nearest(name, nearest, tmp_path):
    with pytest.raises(sources.DatasetError) as error:
        sources.describe(name, str(tmp_path))
    assert str(error.value) == (
        f"`dataset.name` must be a data set that TFDS knows. Received: {name!r}. Did you mean {nearest!r}?"
    )


def test_a_name_near_to_none_gets_no_hint(tmp_path):
    with pytest.raises(sources.DatasetError, match=r"Received: 'zzzzzzzzzzzzzz'\.$"):
        sources.describe("zzzzzzzzzzzzzz", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("stamps_of_all_sizes", "one fixed size are required. Received: 'stamps_of_all_sizes' with image shape (None,"),
        ("stamps_by_two_judges", "one ClassLabel feature is required. Received: 'stamps_by_two_judges' with ['first'"),
    ],
)
def test_refuses_what_it_cannot_train_on(name, sentence, tmp_path):
    with pytest.raises(sources.DatasetError) as error:
        sources.describe(name, str(tmp_path))
    assert sentence in str(error.value)


def test_finds_image_and_label_whatever_they_are_called(tmp_path):
    assert sources.feature_keys(sources.builder("stamps", str(tmp_path))) == ("stamp", "age")


def test_carves_validation_from_the_end_of_train_where_there_is_none(prepared):
    stamps = prepared("stamps")
    assert sources.split_instruction(stamps, "train") == "train[:90%]"
    assert sources.split_instruction(stamps, "validation") == "train[90%:]"
    assert sources.split_instruction(stamps, "test") == "test"
    sizes = [
        stamps.info.splits[sources.split_instruction(stamps, split)].num_examples for split in ("train", "validation")
    ]
    assert sizes == [9, 1]


def test_leaves_a_validation_split_as_it_is(examples, data_dir):
    digits = sources.builder("digits", str(data_dir))
    for split in ("train", "validation", "test"):
        assert sources.split_instruction(digits, split) == split


def test_a_missing_test_split_is_refused(prepared):
    with pytest.raises(sources.DatasetError, match=r"A `test` split is required. Received: 'stamps_to_train_on' with"):
        sources.split_instruction(prepared("stamps_to_train_on"), "test")
