"""DatasetGen's executor, through Beam."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from components.dataset_gen import scans
from components.dataset_gen.component import DatasetGen

COUNTS = {"train": 1257, "validation": 180, "test": 360}
KINDS = {
    "image": "bytes_list",
    "label": "int64_list",
    "class_name": "bytes_list",
    "height": "int64_list",
    "width": "int64_list",
    "channels": "int64_list",
    "brightness": "float_list",
}


def canonical(record):
    """Serializes an example anew, its features in order: in raw records their order is arbitrary."""
    feature = tf.train.Example.FromString(record).features.feature
    return [(key, feature[key].SerializeToString(deterministic=True)) for key in sorted(feature)]


def test_three_splits_of_the_scans_with_their_facts(examples, records):
    assert examples.split_names == '["train", "validation", "test"]'
    images, labels = scans.load_images()
    for split, rows in scans.split_rows(labels).items():
        found = [tf.train.Example.FromString(record).features.feature for record in records(examples, split)]
        assert len(found) == COUNTS[split]
        assert {key: value.WhichOneof("kind") for key, value in found[0].items()} == KINDS
        sizes = {tuple(row[key].int64_list.value[0] for key in ("height", "width", "channels")) for row in found}
        assert sizes == {(8, 8, 1)}
        pixels = [np.asarray(Image.open(io.BytesIO(row["image"].bytes_list.value[0]))) for row in found]
        stored = sorted(
            (row["label"].int64_list.value[0], one.tobytes()) for row, one in zip(found, pixels, strict=True)
        )
        assert stored == sorted((int(labels[row]), images[row].tobytes()) for row in rows)
        brightness = [row["brightness"].float_list.value[0] for row in found]
        np.testing.assert_allclose(brightness, [one.mean() / 255 for one in pixels], atol=1e-6)


def test_a_second_run_writes_the_same_examples(execute, examples, records, data_dir, tmp_path):
    again = execute(DatasetGen("digits", "1.0.0", str(data_dir)), tmp_path)["examples"]
    for split in COUNTS:
        assert [canonical(record) for record in records(again, split)] == [
            canonical(record) for record in records(examples, split)
        ]


def test_the_component_carries_the_digest_of_its_source(data_dir):
    from components.source import source_digest

    properties = DatasetGen("digits", "1.0.0", str(data_dir)).exec_properties
    assert source_digest("components.dataset_gen") in properties["custom_config"]
    assert properties["custom_config"] != DatasetGen("digits", "2.0.0", str(data_dir)).exec_properties["custom_config"]
