"""DatasetGen's executor, through Beam, on real folders with everything that goes wrong in them."""

import contextvars
import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
from pictures import BAD, folder_of, save
from PIL import Image

from components import progress
from components.dataset_gen import executor, index, listing, rules, scans, sources
from components.dataset_gen.component import DatasetGen
from components.dataset_gen.errors import DatasetError
from components.dataset_gen.facts import Settings
from components.ingestion import Ingestion

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


def features(record):
    return tf.train.Example.FromString(record).features.feature


def named(record):
    """Returns class and pixels of an example."""
    row = features(record)
    pixels = np.asarray(Image.open(io.BytesIO(row["image"].bytes_list.value[0])))
    return row["class_name"].bytes_list.value[0].decode(), pixels.tobytes()


def test_three_splits_of_the_scans_with_their_facts(examples, records):
    assert examples.split_names == '["train", "validation", "test"]'
    images, labels = scans.load_images()
    for split, rows in scans.split_rows(labels).items():
        found = [features(record) for record in records(examples, split)]
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


def test_a_second_run_writes_the_same_bytes(ingest, examples, records, data_dir, tmp_path):
    again = ingest(Settings("digits", str(data_dir)), tmp_path)["examples"]
    for split in COUNTS:
        assert records(again, split) == records(examples, split)


def test_the_component_carries_what_decides_on_its_examples(data_dir, tmp_path):
    from components.source import source_digest

    settings = Settings("digits", str(data_dir))
    properties = DatasetGen(settings, "f" * 64).exec_properties
    assert properties["source_digest"] == source_digest("components.dataset_gen", "components.ingestion")
    others = [
        DatasetGen(settings, "0" * 64),
        DatasetGen(Settings("digits", str(data_dir), image_size=(9, 9)), "f" * 64),
        DatasetGen(settings, "f" * 64, span=2),
    ]
    assert all(other.exec_properties != properties for other in others)


def test_a_folder_of_classes_comes_in_three_splits_with_every_image_once(ingest, records, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 60, "dog": 60, "emu": 60})
    out = ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion")
    assert found.class_names == ("cat", "dog", "emu")
    splits = {split: {named(record) for record in records(out["examples"], split)} for split in COUNTS}
    expected = {(path.parent.name, np.asarray(Image.open(path)).tobytes()) for path in folder.rglob("*.png")}
    assert set.union(*splits.values()) == expected
    assert {split: counts.kept for split, counts in found.splits.items()} == {key: len(s) for key, s in splits.items()}
    assert all(len(rows) >= 5 for rows in splits.values())
    assert not list((tmp_path / "out" / "examples").glob(".*"))


def test_one_more_image_moves_no_other(ingest, records, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 40, "dog": 40})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    first = ingest(settings, tmp_path / "first")["examples"]
    save(folder / "cat" / "new.png", 1_000)
    second = ingest(settings, tmp_path / "second")["examples"]
    added = [set(records(second, split)) - set(records(first, split)) for split in COUNTS]
    assert sum(map(len, added)) == 1
    assert all(set(records(first, split)) <= set(records(second, split)) for split in COUNTS)


@pytest.mark.parametrize("has", [("train", "test"), ("train", "val"), ("training", "valid", "testing")])
def test_folders_of_splits_are_taken_as_they_are(has, ingest, tmp_path):
    for number, name in enumerate(has):
        folder_of(tmp_path / "pets" / name, {"cat": 60, "dog": 60}, first=number * 1_000)
    ingest(Settings("pets", str(tmp_path / "work"), path=str(tmp_path / "pets")), tmp_path / "out")
    counts = {split: found.kept for split, found in Ingestion.read(tmp_path / "out" / "ingestion").splits.items()}
    assert sum(counts.values()) == 120 * len(has)
    given = {"val": "validation", "test": "test"}.get(has[1])
    assert given is None or (counts[given] == 120 and all(counts.values()))
    assert len(has) == 2 or set(counts.values()) == {120}


@pytest.mark.parametrize("reason", sorted(BAD))
def test_each_kind_of_bad_file_is_named_and_kept_out(reason, ingest, records, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 30, "dog": 30})
    (folder / "dog" / "bad.png").write_bytes(BAD[reason])
    out = ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion")
    (row,) = found.quarantine
    assert (row.name, row.class_name, row.reason, row.split) == ("dog/bad.png", "dog", reason, "train")
    assert sum(counts.read for counts in found.splits.values()) == 61
    assert sum(len(records(out["examples"], split)) for split in COUNTS) == 60


def test_an_unreadable_file_and_one_beside_the_classes_are_named(ingest, tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "pets", {"cat": 30, "dog": 30})
    (folder / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    save(folder / "lost.png", 77)
    (folder / "notes.txt").write_text("not an image, and doesn't say so")
    (folder / "cat" / ".DS_Store").write_bytes(b"\0")
    ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out")
    found = {row.name: row.reason for row in Ingestion.read(tmp_path / "out" / "ingestion").quarantine}
    assert found == {"dog/gone.png": "unreadable", "lost.png": "no class folder"}


def test_copies_are_taken_out_and_the_test_split_keeps_its_own(ingest, records, tmp_path):
    folder = tmp_path / "pets"
    for number, split in enumerate(("train", "validation", "test")):
        folder_of(folder / split, {"cat": 10, "dog": 10}, first=number * 100)
    shutil.copy(folder / "train" / "cat" / "0000.png", folder / "train" / "cat" / "copy.png")
    shutil.copy(folder / "test" / "cat" / "0200.png", folder / "train" / "cat" / "seen.png")
    Image.open(folder / "test" / "dog" / "0210.png").save(folder / "validation" / "dog" / "seen.bmp")
    shutil.copy(folder / "train" / "dog" / "0010.png", folder / "train" / "cat" / "dog.png")
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    out = ingest(settings, tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion")
    copies = [row for row in found.quarantine if row.reason == "duplicate"]
    assert [row.name.startswith("train/cat/") for row in copies] == [True]
    assert {(row.name, row.reason) for row in found.quarantine if row.reason != "duplicate"} == {
        ("train/cat/seen.png", "in two splits"),
        ("validation/dog/seen.bmp", "in two splits"),
        ("train/cat/dog.png", "contradictory label"),
        ("train/dog/0010.png", "contradictory label"),
    }
    assert [found.quarantine[0].reason, found.quarantine[-1].reason] == ["contradictory label", "duplicate"]
    details = {row.name: row.detail for row in found.quarantine}
    assert details["train/cat/seen.png"] == "the same as test: test/cat/0200.png"
    splits = {split: records(out["examples"], split) for split in COUNTS}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 19, "validation": 20, "test": 20}
    every = [named(record)[1] for rows in splits.values() for record in rows]
    assert len(every) == len(set(every))
    for split, counts in found.splits.items():
        labels = [features(record)["label"].int64_list.value[0] for record in splits[split]]
        assert (counts.kept, counts.classes) == (len(labels), tuple(np.bincount(labels, minlength=2)))
    assert sum(counts.read for counts in found.splits.values()) == len([p for p in folder.rglob("*") if p.is_file()])
    with Image.open(tmp_path / "out" / "ingestion" / found.quarantine[0].picture) as picture:
        assert picture.size == (8, 8)


def test_a_split_without_images_is_there_and_empty(ingest, records, tmp_path):
    folder = folder_of(tmp_path / "pets" / "train", {"cat": 30, "dog": 30}).parent
    (folder / "test" / "cat").mkdir(parents=True)
    out = ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out")
    assert records(out["examples"], "test") == []
    assert Ingestion.read(tmp_path / "out" / "ingestion").splits["test"].read == 0


def test_a_class_without_images_is_counted(ingest, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 30, "dog": 30})
    (folder / "emu").mkdir()
    ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out")
    found = Ingestion.read(tmp_path / "out" / "ingestion")
    assert found.class_names == ("cat", "dog", "emu")
    assert found.splits["train"].classes[2] == 0


def test_two_workers_write_what_one_does(execute, records, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 30, "dog": 30})
    shutil.copy(folder / "cat" / "0000.png", folder / "cat" / "copy.png")
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    component = DatasetGen(settings, sources.opened(settings).facts.fingerprint)
    one = execute(component, tmp_path / "one")
    args = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    two = execute(component, tmp_path / "two", beam=args)
    for split in COUNTS:
        assert records(one["examples"], split) == records(two["examples"], split)
    assert Ingestion.read(tmp_path / "one" / "ingestion") == Ingestion.read(tmp_path / "two" / "ingestion")


def test_what_is_added_meanwhile_waits_for_the_next_run(execute, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 5, "dog": 5})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    component = DatasetGen(settings, sources.opened(settings).facts.fingerprint)
    save(folder / "cat" / "new.png", 1_000)
    execute(component, tmp_path / "out")
    assert sum(counts.read for counts in Ingestion.read(tmp_path / "out" / "ingestion").splits.values()) == 10
    assert sources.opened(settings).facts.fingerprint != component.exec_properties["fingerprint"]


def test_images_of_several_sizes_want_one_to_be_told(tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 5, "dog": 5})
    Image.new("RGB", (12, 10)).save(folder / "cat" / "wide.png")
    with pytest.raises(DatasetError) as error:
        sources.opened(Settings("pets", str(tmp_path / "work"), path=str(folder))).facts  # noqa: B018
    assert str(error.value) == (
        "`dataset.image_size` is required where images have several sizes. Received: 'pets' with 8x8 (10), 10x12 (1); "
        "such as image_size = [8, 8]."
    )
    told = Settings("pets", str(tmp_path / "work"), path=str(folder), image_size=(9, 9))
    assert sources.opened(told).facts.image_shape == (9, 9, 3)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "with no folder."),
        (lambda root: (root / "test" / "cat").mkdir(parents=True), "with test."),
        (lambda root: [(root / name / "cat").mkdir(parents=True) for name in ("train", "cats")], "with cats, train."),
        (lambda root: [(root / name / "cat").mkdir(parents=True) for name in ("train", "val", "valid")], "train, val"),
    ],
)
def test_a_folder_of_another_form_is_refused(make, sentence, tmp_path):
    (tmp_path / "pets").mkdir()
    make(tmp_path / "pets")
    with pytest.raises(DatasetError, match=r"must have a folder for each class in it; or `train`, with") as error:
        sources.opened(Settings("pets", str(tmp_path / "work"), path=str(tmp_path / "pets")))
    assert sentence in str(error.value)


def test_every_reason_is_told_of():
    assert set(BAD) <= set(rules.QUARANTINED)


@pytest.mark.parametrize("change", [lambda path: save(path, 1_000), lambda path: path.unlink()])
def test_a_file_that_changes_meanwhile_is_refused(change, execute, tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 5, "dog": 5})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    component = DatasetGen(settings, sources.opened(settings).facts.fingerprint)
    change(folder / "cat" / "0001.png")
    with pytest.raises(
        Exception, match=r"Files that stay as they are while they are read are required. Received: .*0001"
    ):
        execute(component, tmp_path / "out")


def test_a_class_more_is_other_data_even_without_an_image(tmp_path):
    folder = folder_of(tmp_path / "pets", {"bee": 3, "cat": 3})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    before = sources.opened(settings).facts
    (folder / "ape").mkdir()
    after = sources.opened(settings).facts
    assert after.class_names == ("ape", *before.class_names)
    assert after.fingerprint != before.fingerprint


def test_what_was_listed_when_the_run_began_is_not_looked_for_again(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "pets", {"cat": 20, "dog": 20})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    known = sources.opened(settings).facts
    monkeypatch.setattr(index, "scan", None)
    assert sources.opened(settings, known.fingerprint).facts == known


def test_a_listing_that_is_gone_is_made_again_and_old_ones_go(tmp_path):
    folder = folder_of(tmp_path / "pets", {"cat": 20, "dog": 20})
    settings = Settings("pets", str(tmp_path / "work"), path=str(folder))
    first = sources.opened(settings).facts
    shutil.rmtree(tmp_path / "work" / "listings")
    assert sources.opened(settings, first.fingerprint).facts == first
    save(folder / "cat" / "new.png", 1_000)
    second = sources.opened(settings).facts
    assert [path.name for path in (tmp_path / "work" / "listings").glob("*/*")] == [second.fingerprint]


def test_tells_how_many_images_are_read(ingest, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(executor, "REPORT_EVERY_S", 0.01)
    monkeypatch.setattr(listing, "UNIT_FILES", 10)
    folder = folder_of(tmp_path / "pets", {"cat": 30, "dog": 30})
    contextvars.copy_context().run(
        lambda: (
            progress.listen(told.append),
            ingest(Settings("pets", str(tmp_path / "work"), path=str(folder)), tmp_path / "out"),
        )
    )
    read = [event["images"] for event in told if "images" in event]
    assert read == sorted(read)
    assert 0 < read[0] <= read[-1] == told[-1]["of"] == 60
