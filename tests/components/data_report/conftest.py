"""Real example files, and what TFX's own components and ours make of them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components import artifacts, image_statistics
from components.ingestion import Ingestion, SplitCounts

SPLITS = ("train", "validation", "test")
CLASS_NAMES = ("cat", "dog")


@pytest.fixture(scope="session")
def encode():
    """Encodes pixels."""

    def save(pixels, kind="PNG"):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind)
        return content.getvalue()

    return save


@pytest.fixture(scope="session")
def noise(encode):
    """Makes PNG images with labels, half of them of either class."""

    def make(count, shape=(8, 8), brightness=128, seed=0):
        random = np.random.default_rng(seed)
        pixels = np.clip(random.normal(brightness, 60, (count, *shape)), 0, 255).astype(np.uint8)
        return [(encode(one), number % 2) for number, one in enumerate(pixels)]

    return make


def to_record(encoded, label, class_names, without=()):
    import tensorflow as tf

    pixels = np.asarray(Image.open(io.BytesIO(encoded)))
    size = {"height": pixels.shape[0], "width": pixels.shape[1], "channels": 1 if pixels.ndim == 2 else pixels.shape[2]}
    features = {
        **{
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
            for name, value in {"label": label, **size}.items()
        },
        **{
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            for name, value in {"image": encoded, "class_name": class_names[label].encode()}.items()
        },
        "brightness": tf.train.Feature(float_list=tf.train.FloatList(value=[float(pixels.mean()) / 255])),
    }
    kept = {name: feature for name, feature in features.items() if name not in without}
    return tf.train.Example(features=tf.train.Features(feature=kept)).SerializeToString()


@pytest.fixture(scope="session")
def ingested(tmp_path_factory):
    """Writes images as DatasetGen does; returns its artifacts by key."""

    def write(images, class_names=CLASS_NAMES, quarantine=(), source="pets", without=None):
        import tensorflow as tf
        from tfx.types import artifact_utils, standard_artifacts

        root, splits = tmp_path_factory.mktemp("ingested"), {}
        for split in SPLITS:
            found = images.get(split, [])
            (root / "examples" / f"Split-{split}").mkdir(parents=True)
            path = root / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for encoded, label in found:
                    writer.write(to_record(encoded, label, class_names, (without or {}).get(split, ())))
            bad = sum(row.split == split for row in quarantine)
            classes = np.bincount([label for _, label in found], minlength=len(class_names)).tolist()
            splits[split] = SplitCounts(len(found) + bad, len(found), bad, {}, tuple(classes))
        examples, ingestion = standard_artifacts.Examples(), artifacts.Ingestion()
        examples.uri, ingestion.uri = str(root / "examples"), str(root / "ingestion")
        examples.split_names, examples.span = artifact_utils.encode_split_names(list(SPLITS)), 0
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        (root / "ingestion").mkdir()
        Ingestion(source, "f1", tuple(class_names), splits, tuple(quarantine)).write(root / "ingestion")
        return {"examples": examples, "ingestion": ingestion}

    return write


@pytest.fixture(scope="session")
def checked(ingested, execute, channel, tmp_path_factory):
    """Writes images, and has TFX's components look at them as the graph does; returns all artifacts by key."""

    def check(images, **options):
        # Before TFDV, which needs its stand-in for a lost module.
        from tfx.components import ExampleValidator, SchemaGen, StatisticsGen

        root, found = tmp_path_factory.mktemp("checked"), ingested(images, **options)
        statistics = StatisticsGen(examples=channel(found["examples"]), stats_options=image_statistics.options())
        found |= execute(statistics, root / "statistics", examples=found["examples"])
        found["statistics"].span = 0
        schema = SchemaGen(statistics=channel(found["statistics"]), exclude_splits=["validation", "test"])
        found |= execute(schema, root / "schema", statistics=found["statistics"])
        given = {key: found[key] for key in ("statistics", "schema")}
        validator = ExampleValidator(**{key: channel(artifact) for key, artifact in given.items()})
        return found | execute(validator, root / "validator", **given)

    return check


@pytest.fixture(scope="session")
def sound(checked, noise):
    """Data that nothing speaks against."""
    return checked({"train": noise(400), "validation": noise(60, seed=1), "test": noise(240, seed=2)})


@pytest.fixture
def report(execute, channel, tmp_path):
    """Draws the report of artifacts; returns its folder."""
    from components.data_report.component import DataReport

    def draw(artifacts_by_key, previous=None, max_bad_fraction=0.01, max_drift=0.1):
        limits = {"max_bad_fraction": max_bad_fraction, "max_drift": max_drift}
        given = artifacts_by_key | ({"previous": previous} if previous else {})
        channels = {"previous": None} | {key: channel(artifact) for key, artifact in given.items()}
        return Path(execute(DataReport(**channels, **limits), tmp_path, **given)["data_report"].uri)

    return draw
