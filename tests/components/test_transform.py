"""TFX's Transform with our preprocessing function: constants of the train split, and nothing else changed."""

import functools

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that

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


def test_the_constants_are_by_channel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3), dtype=np.uint8) // np.array([1, 2, 4], np.uint8)
    rows = [{"image": [tf.io.encode_png(image).numpy()], "label": [0]} for image in pixels]
    spec = {"image": tf.io.FixedLenFeature([1], tf.string), "label": tf.io.FixedLenFeature([1], tf.int64)}

    def check(found):
        assert len(found) == 5
        for row in found:
            np.testing.assert_allclose(row["pixel_mean"], pixels.mean(axis=(0, 1, 2)), rtol=1e-6)
            np.testing.assert_allclose(row["pixel_variance"], pixels.var(axis=(0, 1, 2)), rtol=1e-6)

    options = PipelineOptions(direct_running_mode="in_memory")
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(temp_dir=str(tmp_path)):
        data = (pipeline | beam.Create(rows), tft.DatasetMetadata.from_feature_spec(spec))
        function = functools.partial(preprocessing_fn, custom_config={"image_shape": [4, 3, 3]})
        (found, _), _ = data | tft_beam.AnalyzeAndTransformDataset(function)
        assert_that(found, check)
