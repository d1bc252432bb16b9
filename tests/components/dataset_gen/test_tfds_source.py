"""What is learnt of a data set of TFDS, which ones are refused, and what is read without a network."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from components.dataset_gen import sources
from components.dataset_gen.errors import DatasetError
from components.dataset_gen.facts import Settings
from components.ingestion import Ingestion


class Stamps(tfds.core.GeneratorBasedBuilder):
    """Fifty images in train and four in test: no validation split."""

    VERSION = tfds.core.Version("2.1.0")
    SHAPE = (4, 6, 3)

    def _info(self):
        image = tfds.features.Image(shape=self.SHAPE, encoding_format="png")
        label = tfds.features.ClassLabel(names=["old", "new"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"stamp": image, "age": label}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 50), "test": self._generate_examples(50, 54)}

    def _generate_examples(self, first, end):
        for row in range(first, end):
            yield row, {"stamp": np.full((4, 6, 3), row, np.uint8), "age": row % 2}


class StampsOfAllSizes(Stamps):
    """Images of no fixed size."""

    SHAPE = (None, None, 3)


class StampsToTestOn(Stamps):
    """No train split."""

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples(0, 10)}


class StampsByTwoJudges(Stamps):
    """Two labels an image."""

    def _info(self):
        label = tfds.features.ClassLabel(num_classes=2)
        features = {"image": tfds.features.Image(shape=self.SHAPE), "first": label, "second": label}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, first, end):
        for row in range(first, end):
            yield row, {"image": np.full((4, 6, 3), row, np.uint8), "first": 0, "second": row % 2}


class StampsWithoutLabel(Stamps):
    """A test split of which nobody knows the labels, as competitions have it."""

    def _generate_examples(self, first, end):
        for row in range(first, end):
            yield row, {"stamp": np.full((4, 6, 3), row, np.uint8), "age": row % 2 if first == 0 else -1}


class StampsAndUnlabelled(Stamps):
    """A split for another purpose, as STL-10 has it."""

    def _split_generators(self, dl_manager):
        return super()._split_generators(dl_manager) | {"unlabelled": self._generate_examples(100, 130)}


def facts(name, folder, **settings):
    return sources.opened(Settings(name, str(folder), **settings)).facts


def test_describes_a_data_set_without_preparing_it(tmp_path):
    digits, stamps = facts("digits", tmp_path), facts("stamps:2.1.0", tmp_path)
    assert (digits.name, digits.source, digits.image_shape) == ("digits", "digits:1.0.0", (8, 8, 1))
    assert digits.class_names == tuple("0123456789")
    assert (stamps.name, stamps.image_shape, stamps.class_names) == ("stamps", (4, 6, 3), ("old", "new"))
    assert len({digits.fingerprint, stamps.fingerprint}) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "nearest"), [("digts", "digits"), ("cifar-10", "cifar10"), ("mnits:3.0.1", "mnist")])
def test_an_unknown_name_is_told_the_nearest(name, nearest, tmp_path):
    with pytest.raises(DatasetError) as error:
        facts(name, tmp_path)
    assert str(error.value) == (
        "`dataset.name` must be a data set that TFDS knows, or `dataset.path` say where it is. "
        f"Received: {name!r}. Did you mean {nearest!r}?"
    )


def test_a_name_near_to_none_gets_no_hint(tmp_path):
    with pytest.raises(DatasetError, match=r"Received: 'zzzzzzzzzzzzzz'\.$"):
        facts("zzzzzzzzzzzzzz", tmp_path)


@pytest.mark.parametrize(
    ("name", "had"),
    [
        ("cifar10:9.9.9", r"it has version 3\.0\.2\."),
        ("mnist_corrupted/no_noise", "it has config identity, shot_noise, "),
    ],
)
def test_a_wrong_version_or_config_is_told_from_a_wrong_name(name, had, tmp_path):
    with pytest.raises(DatasetError, match=f"must name a version and config that TFDS has. Received: '{name}'; {had}"):
        facts(name, tmp_path)


def test_a_data_set_without_images_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"A data set with a feature of type Image is required\. Received: 'imdb_"):
        facts("imdb_reviews", tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("image", "a"), ("label", "a"), ("split", "a"), ("class_names", ("a", "b"))]
)
def test_what_would_mean_nothing_is_refused(key, value, tmp_path):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    with pytest.raises(DatasetError, match=rf"`dataset\.{key}` must be left out for a folder of images\. Received: "):
        facts("pets", tmp_path / "work", path=str(tmp_path / "pets"), **{key: value})
    if key in {"split", "class_names"}:
        with pytest.raises(DatasetError, match=rf"`dataset\.{key}` must be left out for a data set of TFDS"):
            facts("digits", tmp_path / "work", **{key: value})


def test_images_of_several_sizes_want_one_to_be_told(tmp_path):
    with pytest.raises(DatasetError, match=r"`dataset\.image_size` is required .* Received: 'stamps_of_all_sizes'"):
        facts("stamps_of_all_sizes", tmp_path)
    assert facts("stamps_of_all_sizes", tmp_path, image_size=(8, 8)).image_shape == (8, 8, 3)


def test_an_ambiguous_label_must_be_named(tmp_path):
    with pytest.raises(DatasetError) as error:
        facts("stamps_by_two_judges", tmp_path)
    assert str(error.value) == (
        "`dataset.label` must name one of the data set's features of type ClassLabel. "
        "Received: nothing, for 'stamps_by_two_judges' with first, second."
    )
    with pytest.raises(DatasetError, match="Received: third"):
        facts("stamps_by_two_judges", tmp_path, label="third")
    assert facts("stamps_by_two_judges", tmp_path, label="second").class_names == ("0", "1")


def test_a_split_that_is_missing_is_carved_from_train(ingest, records, tmp_path):
    out = ingest(Settings("stamps", str(tmp_path / "data")), tmp_path)
    counts = Ingestion.read(tmp_path / "ingestion").splits
    assert sum(found.kept for found in counts.values()) == 54
    assert counts["test"].kept == 4
    assert counts["validation"].kept > 0
    assert len(records(out["examples"], "train")) == counts["train"].kept == 50 - counts["validation"].kept


def test_without_a_train_split_there_is_nothing_to_learn_from(ingest, tmp_path):
    with pytest.raises(DatasetError, match=r"A data set with a `train` split is required. Received: .* with test"):
        ingest(Settings("stamps_to_test_on", str(tmp_path / "data")), tmp_path)


def test_splits_that_are_not_read_are_counted(ingest, tmp_path):
    ingest(Settings("stamps_and_unlabelled", str(tmp_path / "data")), tmp_path)
    found = Ingestion.read(tmp_path / "ingestion")
    assert found.left_out == {"unlabelled": 30}
    assert sum(counts.read for counts in found.splits.values()) == 54


def test_labels_that_mean_nothing_are_kept_out(ingest, tmp_path):
    ingest(Settings("stamps_without_label", str(tmp_path / "data")), tmp_path)
    found = Ingestion.read(tmp_path / "ingestion")
    assert (found.splits["test"].read, found.splits["test"].kept, found.splits["test"].quarantined) == (4, 0, 4)
    assert {(row.reason, row.detail) for row in found.quarantine} == {("label out of range", "-1, of 2 classes")}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Makes an archive of CIFAR-10's form with 300 images, and has TFDS's registered checksum be that of it."""
    from tensorflow_datasets.image_classification import cifar

    url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    path = tmp_path / "manual" / "cifar-10-binary.tar.gz"
    path.parent.mkdir()
    draw = np.random.default_rng(0)
    members = {f"data_batch_{number}.bin": 50 for number in range(1, 6)} | {"test_batch.bin": 50}
    names = {"batches.meta.txt": "\n".join(tfds.builder("cifar10").info.features["label"].names).encode()}
    for name, count in members.items():
        rows = draw.integers(0, 256, (count, 3073), np.uint8)
        rows[:, 0] = np.arange(count) % 10
        names[name] = rows.tobytes()
    with tarfile.open(path, "w:gz") as file:
        for name, content in names.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    info = checksums.UrlInfo(
        tfds.core.utils.Size(path.stat().st_size), hashlib.sha256(path.read_bytes()).hexdigest(), path.name
    )
    monkeypatch.setattr(cifar.Cifar10, "url_infos", {url: info})
    return path, url


@pytest.fixture
def no_network(monkeypatch):
    """Lets no socket leave the machine."""
    import socket

    def refuse(*_args, **_options):
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_built_in_data_set_is_made_of_an_archive_in_manual_dir(archive, ingest, records, tmp_path):
    settings = Settings("cifar10:3.0.2", str(tmp_path / "data"), manual_dir=str(archive[0].parent))
    out = ingest(settings, tmp_path)
    counts = Ingestion.read(tmp_path / "ingestion").splits
    assert (counts["train"].kept + counts["validation"].kept, counts["test"].kept) == (250, 50)
    row = tf.train.Example.FromString(records(out["examples"], "test")[0]).features.feature
    assert row["class_name"].bytes_list.value[0].decode() in sources.opened(settings).facts.class_names
    archive[0].unlink()
    prepared = Settings("cifar10:3.0.2", str(tmp_path / "elsewhere"), data_dir=str(tmp_path / "data"))
    again = ingest(prepared, tmp_path / "again")
    assert sorted(records(again["examples"], "train")) == sorted(records(out["examples"], "train"))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("manual", [True, False])
def test_a_missing_archive_is_named_with_its_size_and_checksum(archive, manual, tmp_path):
    path, url = archive
    size, checksum = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    where = {"manual_dir": str(path.parent)} if manual else {}
    with pytest.raises(DatasetError) as error:
        facts("cifar10", tmp_path / "data", **where)
    put = f"Put it into {path.parent}." if manual else "Put it into a folder and name that as `dataset.manual_dir`."
    assert str(error.value) == (
        f"'cifar10' is made of cifar-10-binary.tar.gz, {size:,} bytes with SHA-256 {checksum}, from {url}, which can't "
        f"be reached from here. {put}"
    )


@pytest.mark.usefixtures("no_network")
def test_an_archive_with_a_wrong_checksum_is_refused_before_anything_starts(archive, tmp_path):
    path, _ = archive
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError) as error:
        facts("cifar10", tmp_path / "data", manual_dir=str(path.parent))
    assert f"{path} must be {len(content):,} bytes with SHA-256" in str(error.value)
    assert f"Received: {len(content):,} bytes with SHA-256 {hashlib.sha256(content).hexdigest()}" in str(error.value)
    assert not (tmp_path / "data").exists()


def test_archives_that_need_a_registration_say_so(tmp_path):
    with pytest.raises(DatasetError, match=r"`dataset\.manual_dir` is required for 'imagenet2012'.*ILSVRC2012_img_val"):
        facts("imagenet2012", tmp_path, image_size=(224, 224))
