"""TFX's Transform with our preprocessing function: constants of the train split, and nothing else changed."""

import functools

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that

from components import images
from components.dataset_gen import scans
from components.transform import preprocessing_fn


def features(records):
    return [tf.train.Example.FromString(record).features.feature for record in records]


def test_mean_and_variance_are_those_of_the_train_split(transformed, records):
    images, labels = scans.load_images()
    train = images[scans.split_rows(labels)["train"]].astype(np.float64)
    for split in ("train", "validation"):
        for row in features(records(transformed["transformed_examples"], split)):
            np.testing.assert_allclose(row["pixel_mean"].float_list.value, [train.mean()], rtol=1e-6)
            np.testing.assert_allclose(row["pixel_variance"].float_list.value, [train.var()], rtol=1e-6)


def test_image_and_label_pass_through(transformed, examples, records):
    for split, count in {"train": 1257, "validation": 180}.items():
        before, after = (
            sorted((row["image"].bytes_list.value[0], row["label"].int64_list.value[0]) for row in features(found))
            for found in (records(examples, split), records(transformed["transformed_examples"], split))
        )
        assert len(after) == count
        assert before == after


def test_the_test_split_is_not_transformed(transformed):
    assert transformed["transformed_examples"].split_names == '["train", "validation"]'


def require_constants(pixels, rows, folder, **tolerance):
    """Runs the preprocessing function over rows, in Beam; every row must have numpy's constants of the pixels."""
    mean = pixels.mean(axis=(0, 1, 2), dtype=np.float64)
    variance = pixels.astype(np.float64).var(axis=(0, 1, 2))
    one = {"image": tf.string, "label": tf.int64, "class_name": tf.string}
    spec = {key: tf.io.FixedLenFeature([1], kind) for key, kind in one.items()}

    def check(found):
        assert len(found) == len(pixels)
        for row in found:
            np.testing.assert_array_equal(row["pixel_mean"], mean.astype(np.float32))
            np.testing.assert_allclose(row["pixel_variance"], variance, **{"rtol": 1e-6, "atol": 0, **tolerance})

    options = PipelineOptions(direct_running_mode="in_memory")
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(temp_dir=str(folder)):
        data = (pipeline | beam.Create(rows), tft.DatasetMetadata.from_feature_spec(spec))
        function = functools.partial(preprocessing_fn, custom_config={"image_shape": list(pixels.shape[1:])})
        (found, _), _ = data | tft_beam.AnalyzeAndTransformDataset(function)
        assert_that(found, check)


def rows(pixels):
    return [{"image": [tf.io.encode_png(one).numpy()], "label": [0], "class_name": [b"any"]} for one in pixels]


def drawn(kind):
    """Draws images [5, 4, 3, 3] on which a careless sum goes wrong."""
    random = np.random.default_rng(0)
    pixels = {
        "by channel": random.integers(0, 256, (5, 4, 3, 3)) // np.array([1, 2, 4]),
        "bright": random.integers(254, 256, (5, 4, 3, 3)),
        "flat": np.full((5, 4, 3, 3), 255),
        "black": np.zeros((5, 4, 3, 3)),
        "all but flat": np.full((5, 4, 3, 3), 251),
    }[kind].astype(np.uint8)
    if kind == "all but flat":
        pixels[2, 1, 1] = 252
    return pixels


@pytest.mark.parametrize("kind", ["by channel", "bright", "flat", "black", "all but flat"])
def test_the_constants_are_numpys_in_double_precision(tmp_path, kind):
    pixels = drawn(kind)
    require_constants(pixels, rows(pixels), tmp_path)


def test_one_grey_level_among_millions_of_bright_ones_is_not_lost(tmp_path):
    """In float32, the mean of the squares and the square of the mean would be the same number."""
    pixels = np.full((4, 1024, 1024, 1), 250, np.uint8)
    pixels[0, 0, 0] = 251
    assert 0 < pixels.var(dtype=np.float64) < 1e-6
    require_constants(pixels, rows(pixels), tmp_path)


def test_images_of_another_size_count_as_training_sees_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 1), dtype=np.uint8)
    encoded = rows(pixels)
    resized = images.decode(tf.concat([row["image"] for row in encoded], axis=0), (4, 3, 1)).numpy()
    require_constants(resized, encoded, tmp_path)
