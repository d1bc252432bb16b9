"""Existing TFRecord files of tf.Example, whoever wrote them."""

import gzip
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from pictures import BAD, encoded, pixels

from components.dataset_gen import sources, tfrecords
from components.dataset_gen.component import DatasetGen
from components.dataset_gen.errors import DatasetError, UnfitSourceError
from components.dataset_gen.facts import Settings
from components.ingestion import Ingestion


def feature(value):
    if isinstance(value, list):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    value = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def write(path, rows, compression=""):
    """Writes rows of features with TensorFlow's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as file:
        for row in rows:
            found = tf.train.Features(feature={key: feature(value) for key, value in row.items()})
            file.write(tf.train.Example(features=found).SerializeToString())


def rows(first, count, **label):
    """Returns rows with an image each, and what is told as a function of the row's number."""
    return [
        {"photo": encoded(pixels(row)), **{key: value(row) for key, value in label.items()}}
        for row in range(first, first + count)
    ]


@pytest.fixture
def settings(tmp_path):
    def make(**told):
        return Settings("shots", str(tmp_path / "work"), path=str(tmp_path / "shots"), **told)

    return make


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_features_and_splits_are_found(compression, settings, ingest, records, tmp_path):
    for number, name in enumerate(("train.tfrecord-00000-of-00002", "train.tfrecord-00001-of-00002", "test.tfrecord")):
        write(tmp_path / "shots" / name, rows(number * 100, 40, kind=lambda row: row % 3), compression)
    assert sources.opened(settings()).facts.class_names == ("0", "1", "2")
    out = ingest(settings(class_names=("a", "b", "c")), tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion")
    assert (found.class_names, found.splits["test"].kept) == (("a", "b", "c"), 40)
    assert found.splits["train"].kept + found.splits["validation"].kept == 80
    row = tf.train.Example.FromString(records(out["examples"], "test")[1]).features.feature
    assert row["image"].bytes_list.value[0] == encoded(pixels(201))
    assert (row["label"].int64_list.value[0], row["class_name"].bytes_list.value[0]) == (0, b"a")


def test_labels_in_words_are_the_class_names(settings, tmp_path):
    write(tmp_path / "shots" / "x.tfrecords", rows(0, 40, animal=lambda row: ["emu", "cat"][row % 2]))
    assert sources.opened(settings()).facts.class_names == ("cat", "emu")


def test_a_feature_may_say_the_split(settings, ingest, tmp_path):
    said = lambda row: ["train", "val", "test", "train"][row % 4]  # noqa: E731
    write(tmp_path / "shots" / "x.tfrecord", rows(0, 40, kind=lambda row: row % 3, part=said))
    ingest(settings(), tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion").splits
    assert {split: counts.kept for split, counts in found.items()} == {"train": 20, "validation": 10, "test": 10}


def test_what_is_ambiguous_must_be_named(settings, tmp_path):
    number = lambda row: row % 3  # noqa: E731
    write(tmp_path / "shots" / "x.tfrecord", rows(0, 30, kind=number, height=lambda row: 8))
    with pytest.raises(DatasetError) as error:
        sources.opened(settings())
    assert str(error.value) == (
        "`dataset.label` must name the records' feature with the label. Received: nothing; height, kind could be it."
    )
    assert sources.opened(settings(label="kind")).facts.class_names == ("0", "1", "2")
    with pytest.raises(DatasetError, match="Received: kin; height, kind, photo could be it"):
        sources.opened(settings(label="kin"))


def test_bad_records_are_named_and_kept_out(settings, ingest, tmp_path):
    good = rows(0, 40, kind=lambda row: row % 2)
    bad = [
        {"photo": BAD["truncated"], "kind": 1},
        {"photo": encoded(pixels(900)), "kind": [1, 0]},
        {"photo": encoded(pixels(901)), "kind": -1},
        {"photo": encoded(pixels(902)), "kind": 7},
        {"kind": 0},
    ]
    write(tmp_path / "shots" / "x.tfrecord", good + bad)
    ingest(settings(class_names=("a", "b")), tmp_path / "out")
    found = {row.name: (row.reason, row.detail) for row in Ingestion.read(tmp_path / "out" / "ingestion").quarantine}
    assert found == {
        "x.tfrecord[40]": ("truncated", "Truncated File Read"),
        "x.tfrecord[41]": ("no label", "2 values"),
        "x.tfrecord[42]": ("label out of range", "-1, of 2 classes"),
        "x.tfrecord[43]": ("label out of range", "7, of 2 classes"),
        "x.tfrecord[44]": ("zero bytes", ""),
    }


def test_a_label_that_counts_nothing_is_refused(settings, tmp_path):
    write(tmp_path / "shots" / "x.tfrecord", rows(0, 30, kind=lambda row: 10**9 + row))
    with pytest.raises(DatasetError, match=r"Labels that count classes from 0 are required.* Received: 1000000029 in"):
        sources.opened(settings()).facts  # noqa: B018


@pytest.mark.parametrize("cut", [5, 13, 100, -1])
def test_a_torn_file_is_refused_with_its_place(cut, settings, tmp_path):
    path = tmp_path / "shots" / "x.tfrecord"
    write(path, rows(0, 30, kind=lambda row: row % 3))
    whole = path.read_bytes()
    size = 16 + int.from_bytes(whole[:8], "little")
    path.write_bytes(whole[: size * 25 + cut] if cut > 0 else whole[:cut])
    count = 25 if cut > 0 else 29
    with pytest.raises(UnfitSourceError, match=rf"Received: {path}, damaged after {count} records"):
        sources.opened(settings()).facts  # noqa: B018


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "x.gz"
    with tfrecords.Writer(path) as file:
        file.write(b"a" * 50)
        file.write(b"b" * 50)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-10] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(UnfitSourceError, match="damaged after 1 records"):
        list(tfrecords.read(path))


def test_records_of_another_kind_are_refused(settings, tmp_path):
    path = tmp_path / "shots" / "x.tfrecord"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(b"\xff\xff\xff")
    with pytest.raises(UnfitSourceError, match=r"Records of tf\.Example are required. Received: another kind in"):
        sources.opened(settings())


def test_what_we_write_tensorflow_reads_and_the_other_way_round(tmp_path):
    values = {"image": b"\0\xff", "label": 3, "far": -(2**40), "brightness": 0.25}
    record = tfrecords.example(values)
    parsed = tf.train.Example.FromString(record).features.feature
    assert parsed["far"].int64_list.value[0] == -(2**40)
    assert parsed["brightness"].float_list.value[0] == 0.25
    assert tfrecords.features(tf.train.Example.FromString(record).SerializeToString()) == {
        key: [value] for key, value in values.items()
    }
    with tfrecords.Writer(tmp_path / "x.gz") as file:
        for number in range(3):
            file.write(record * number)
    read = tf.data.TFRecordDataset(str(tmp_path / "x.gz"), "GZIP").as_numpy_iterator()
    assert list(read) == list(tfrecords.read(tmp_path / "x.gz")) == [b"", record, record * 2]


def test_records_that_change_meanwhile_are_refused(execute, settings, tmp_path):
    write(tmp_path / "shots" / "x.tfrecords", rows(0, 40, kind=lambda row: row % 2))
    component = DatasetGen(settings(), sources.opened(settings()).facts.fingerprint)
    write(tmp_path / "shots" / "y.tfrecords", rows(40, 40, kind=lambda row: row % 2))
    with pytest.raises(UnfitSourceError, match=r"stays as it is during a run .* Received: .*shots, changed since"):
        execute(component, tmp_path / "out")


def test_our_own_examples_can_be_read_again(ingested, ingest, records, tmp_path):
    """What DatasetGen wrote is a source like any other, once it is told which feature is the label."""
    folder = tmp_path / "again"
    for split in ("train", "validation", "test"):
        for number, path in enumerate(Path(ingested["examples"].uri, f"Split-{split}").iterdir()):
            target = folder / f"{split}.tfrecord-{number}"
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    settings = Settings("again", str(tmp_path / "work"), path=str(folder), label="class_name")
    out = ingest(settings, tmp_path / "out")
    for split in ("train", "validation", "test"):
        assert sorted(records(out["examples"], split)) == sorted(records(ingested["examples"], split))
