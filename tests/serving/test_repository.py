import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.protos import POOL, message
from serving.repository import (
    DigestMismatchError,
    ManifestError,
    Repository,
    RepositoryError,
    VersionConflictError,
    VersionNotFoundError,
    digest,
    manifest,
)


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def saved_model(tmp_path):
    """Returns a function that writes a SavedModel's files, different ones for each name."""

    def write(name="a"):
        directory = tmp_path / "sources" / name
        (directory / "variables").mkdir(parents=True)
        (directory / "assets").mkdir()
        (directory / "saved_model.pb").write_bytes(f"graph {name}".encode() * 1000)
        (directory / "variables" / "variables.index").write_bytes(f"index {name}".encode())
        (directory / "variables" / "variables.data-00000-of-00001").write_bytes(name.encode() * 100_000)
        return directory

    return write


def config_of(repository):
    proto = message("tensorflow.serving.ModelServerConfig")()
    return text_format.Parse(repository.config_path.read_text(), proto, descriptor_pool=POOL).model_config_list.config


def hidden_files(repository):
    return [path for path in repository.root.rglob(".*") if path.name != ".lock"]


def test_publish_copies_the_bytes_and_records_their_identity(repository, saved_model):
    source = saved_model()
    published = repository.publish("digits_lenet5", 3, source)
    assert published.path == repository.root / "digits_lenet5" / "3"
    assert published.changed
    assert published.sha256 == digest(source) == digest(published.path) == repository.sha256("digits_lenet5", 3)
    assert (published.path / "assets").is_dir()
    assert hidden_files(repository) == []


def test_coreutils_checks_the_manifest(repository, saved_model):
    path = repository.publish("m", 3, saved_model()).path
    command = ["sha256sum", "--strict", "-c", "../3.sha256"]
    assert subprocess.run(command, cwd=path, capture_output=True, check=True).stdout.count(b": OK\n") == 3
    (path / "saved_model.pb").write_bytes(b"other")
    assert subprocess.run(command, cwd=path, capture_output=True, check=False).returncode == 1


def test_identity_is_the_sha256_of_the_manifest_file(repository, saved_model):
    published = repository.publish("m", 3, saved_model())
    assert published.sha256 == hashlib.sha256((repository.root / "m" / "3.sha256").read_bytes()).hexdigest()


def test_models_config_lists_what_is_on_disk(repository, saved_model):
    repository.publish("a", 1, saved_model("a1"))
    repository.publish("a", 2, saved_model("a2"), label="stable")
    repository.publish("b", 7, saved_model("b7"), label="canary")
    first, second = config_of(repository)
    assert first.name == "a"
    assert first.base_path == str(repository.root / "a")
    assert Path(first.base_path).is_absolute()
    assert first.model_platform == "tensorflow"
    assert list(first.model_version_policy.specific.versions) == [1, 2]
    assert dict(first.version_labels) == {"stable": 2}
    assert (second.name, dict(second.version_labels)) == ("b", {"canary": 7})
    assert repository.models() == ["a", "b"]


def test_models_config_keeps_entries_and_settings_of_others(repository, saved_model):
    repository.publish("a", 1, saved_model("a1"))
    text = repository.config_path.read_text()
    foreign = 'config { name: "foreign" base_path: "/elsewhere" model_platform: "tensorflow" }'
    repository.config_path.write_text(text.replace("model_config_list {", "model_config_list { " + foreign))
    repository.publish("a", 2, saved_model("a2"))
    assert [(entry.name, entry.base_path) for entry in config_of(repository)] == [
        ("foreign", "/elsewhere"),
        ("a", str(repository.root / "a")),
    ]


def test_a_models_config_that_cannot_be_read_is_refused_in_a_sentence(repository, saved_model):
    repository.publish("a", 1, saved_model())
    repository.config_path.write_text("model_config_list { nonsense: 1 }")
    with pytest.raises(RepositoryError, match=r"must be a ModelServerConfig in text form\. Received: .*nonsense"):
        repository.publish("a", 2, saved_model("a2"))
    assert repository.config_path.read_text() == "model_config_list { nonsense: 1 }"
    assert repository.versions("a") == [1]


def test_publishing_the_same_bytes_changes_nothing(repository, saved_model):
    source = saved_model()
    first = repository.publish("m", 1, source)
    before = {path: path.stat().st_mtime_ns for path in repository.root.rglob("*") if path.is_file()}
    again = repository.publish("m", 1, source)
    assert not again.changed
    assert again.sha256 == first.sha256
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_publishing_the_same_bytes_restores_a_lost_manifest(repository, saved_model):
    source = saved_model()
    repository.publish("m", 1, source)
    (repository.root / "m" / "1.sha256").unlink()
    with pytest.raises(ManifestError, match="no such file"):
        repository.sha256("m", 1)
    assert not repository.publish("m", 1, source).changed
    assert repository.verify("m", 1) == []


def test_a_number_never_takes_other_bytes(repository, saved_model):
    first = repository.publish("m", 1, saved_model("a"))
    other = saved_model("b")
    for sha256 in (None, digest(other)):
        with pytest.raises(VersionConflictError, match="under a new number"):
            repository.publish("m", 1, other, sha256=sha256)
    assert digest(first.path) == first.sha256
    assert repository.verify("m", 1) == []


@pytest.mark.parametrize("occupy", [Path.touch, Path.mkdir])
def test_a_number_taken_by_something_else_is_refused(repository, saved_model, occupy):
    (repository.root / "m").mkdir(parents=True)
    occupy(repository.root / "m" / "1")
    with pytest.raises(VersionConflictError):
        repository.publish("m", 1, saved_model())


def test_announced_identity_is_held(repository, saved_model):
    source = saved_model()
    with pytest.raises(DigestMismatchError, match=digest(source)):
        repository.publish("m", 1, source, sha256="0" * 64)
    assert repository.versions("m") == []
    assert repository.publish("m", 1, source, sha256=digest(source)).changed


def test_a_damaged_version_is_replaced_only_by_its_recorded_identity(repository, saved_model):
    source = saved_model()
    published = repository.publish("m", 1, source, label="stable")
    (published.path / "variables" / "variables.index").unlink()
    with pytest.raises(VersionConflictError, match="Pass `sha256`"):
        repository.publish("m", 1, source)
    other = saved_model("b")
    with pytest.raises(VersionConflictError, match="under a new number"):
        repository.publish("m", 1, other, sha256=digest(other))
    assert repository.publish("m", 1, source, sha256=published.sha256).changed
    assert repository.verify("m", 1) == []
    assert hidden_files(repository) == []
    assert repository.labels("m") == {"stable": 1}


def test_a_damaged_manifest_is_replaced_only_by_the_announced_identity(repository, saved_model):
    source = saved_model()
    published = repository.publish("m", 1, source)
    (repository.root / "m" / "1.sha256").write_bytes(b"\xff not a manifest")
    assert "must be `<SHA-256>  <path>`" in repository.verify("m", 1)[0]
    with pytest.raises(VersionConflictError, match="Pass `sha256`"):
        repository.publish("m", 1, source)
    assert not repository.publish("m", 1, source, sha256=published.sha256).changed
    assert repository.verify("m", 1) == []


def test_verify_names_every_problem(repository, saved_model):
    path = repository.publish("m", 1, saved_model()).path
    assert repository.verify("m", 1) == []
    damaged = bytearray((path / "saved_model.pb").read_bytes())
    damaged[5] ^= 1
    (path / "saved_model.pb").write_bytes(damaged)
    (path / "variables" / "variables.index").unlink()
    (path / "assets" / "extra.txt").touch()
    extra, changed, missing = repository.verify("m", 1)
    assert "assets/extra.txt` must have SHA-256 of no manifest line" in extra
    assert "saved_model.pb` must have SHA-256" in changed
    assert "variables.index` must have" in missing
    assert "no such file" in missing


def test_verify_tells_of_what_is_not_there(repository, saved_model):
    assert "it has none" in repository.verify("m", 1)[0]
    path = repository.publish("m", 1, saved_model()).path
    (path / "link").symlink_to("saved_model.pb")
    assert "regular files only" in repository.verify("m", 1)[0]
    (path.parent / "1.sha256").unlink()
    assert "must hold the manifest" in repository.verify("m", 1)[0]


def test_prune_keeps_the_newest_and_the_labelled(repository, saved_model):
    for version in range(1, 7):
        repository.publish("m", version, saved_model(str(version)), keep_versions=9)
    repository.set_label("m", "stable", 2)
    assert repository.prune("m", 2) == [1, 3, 4]
    assert repository.versions("m") == [2, 5, 6]
    assert list(config_of(repository)[0].model_version_policy.specific.versions) == [2, 5, 6]
    assert sorted(path.name for path in (repository.root / "m").iterdir()) == [
        name for version in (2, 5, 6) for name in (f"{version}", f"{version}.sha256")
    ]
    repository.set_label("m", "stable", 6)
    assert repository.prune("m", 1) == [2, 5]


def test_prune_spares_what_it_is_told_and_publish_may_prune_nothing(repository, saved_model):
    for version in range(1, 6):
        repository.publish("m", version, saved_model(str(version)), keep_versions=None)
    assert repository.versions("m") == [1, 2, 3, 4, 5]
    assert repository.prune("m", 1, spare=[2, 99]) == [1, 3, 4]
    assert repository.versions("m") == [2, 5]


def test_publish_prunes_but_never_what_it_published(repository, saved_model):
    for version in (4, 5, 6):
        repository.publish("m", version, saved_model(str(version)), keep_versions=2)
    assert repository.versions("m") == [5, 6]
    repository.publish("m", 1, saved_model("1"), keep_versions=2)
    assert repository.versions("m") == [1, 5, 6]


def test_versions_leave_the_list_before_their_files_go(repository, saved_model, monkeypatch):
    for version in (1, 2):
        repository.publish("m", version, saved_model(str(version)))
    seen = []
    rename = Path.rename

    def watched(path, target):
        seen.append((path.name, list(config_of(repository)[0].model_version_policy.specific.versions)))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", watched)
    repository.prune("m", 1)
    assert seen == [("1", [2])]


def test_set_label_moves_and_removes(repository, saved_model):
    for version in (1, 2):
        repository.publish("m", version, saved_model(str(version)))
    repository.set_label("m", "stable", 1)
    repository.set_label("m", "canary", 2)
    repository.set_label("m", "stable", 2)
    assert repository.labels("m") == {"stable": 2, "canary": 2}
    repository.set_label("m", "canary", None)
    assert repository.labels("m") == {"stable": 2}
    with pytest.raises(VersionNotFoundError, match=r"one of model 'm': \[1, 2\]"):
        repository.set_label("m", "stable", 3)
    assert repository.labels("m") == {"stable": 2}


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a:b", "../a", "a b", "models.config", "-a", "ä", "a\n"])
def test_names_that_no_request_path_could_carry_are_refused(repository, saved_model, name):
    with pytest.raises(RepositoryError, match="`model` must be"):
        repository.publish(name, 1, saved_model())
    with pytest.raises(RepositoryError, match="`label` must be"):
        repository.publish("m", 1, saved_model("b"), label=name)
    assert not repository.root.exists()


@pytest.mark.parametrize("version", [0, -1, "3", 1.0, True, None, 2**63])
def test_versions_that_are_no_positive_number_are_refused(repository, saved_model, version):
    with pytest.raises(RepositoryError, match="`version` must be a positive whole number"):
        repository.publish("m", version, saved_model())
    assert not repository.root.exists()


def test_only_a_saved_model_is_published(repository, saved_model, tmp_path):
    source = saved_model()
    with pytest.raises(ManifestError, match="must be a directory"):
        repository.publish("m", 1, tmp_path / "nowhere")
    with pytest.raises(ManifestError, match=r"must hold a `saved_model\.pb`"):
        repository.publish("m", 1, source / "variables")
    (source / "assets" / "vocabulary.txt").symlink_to("/etc/hostname")
    with pytest.raises(ManifestError, match="regular files only"):
        repository.publish("m", 1, source)
    assert repository.models() == []


def test_only_plain_numbers_are_versions(repository, saved_model):
    repository.publish("m", 3, saved_model())
    for name in ("03", "+4", "5_tmp", "1.0", ".staging-9", "-7"):
        (repository.root / "m" / name).mkdir()
    assert repository.versions("m") == [3]
    assert repository.versions("unknown") == []


def test_an_empty_repository_has_no_models(tmp_path):
    repository = Repository(tmp_path / "nowhere")
    assert repository.models() == []
    assert repository.labels("m") == {}


def test_others_can_read_what_was_published(repository, saved_model):
    source = saved_model()
    source.chmod(0o700)
    (source / "saved_model.pb").chmod(0o600)
    path = repository.publish("m", 1, source).path
    assert path.stat().st_mode & 0o055 == 0o055
    assert (path / "saved_model.pb").stat().st_mode & 0o044 == 0o044


def test_manifest_is_of_the_files_alone(saved_model, tmp_path):
    source = saved_model()
    copy = shutil.copytree(source, tmp_path / "copy")
    (copy / "assets").rmdir()
    assert manifest(source) == manifest(copy)
    (copy / "saved_model.pb").rename(copy / "saved_model.pbtxt")
    assert digest(source) != digest(copy)


def test_import_is_quick_and_without_tensorflow():
    code = (
        "import sys, time; start = time.perf_counter(); import serving.repository; "
        "assert not {'tensorflow', 'numpy', 'grpc'} & set(sys.modules); print(time.perf_counter() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.3
