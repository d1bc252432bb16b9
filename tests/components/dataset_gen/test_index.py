"""What is remembered of files, and when it is asked anew."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dataset_gen import index


@pytest.fixture
def scan(tmp_path):
    """Scans a folder; returns the entries and the names of the files that were read."""
    asked = []

    def look(path):
        asked.append(Path(path).name)
        content = Path(path).read_bytes()
        return hashlib.sha256(content).hexdigest(), len(content)

    def run(question="length"):
        asked.clear()
        folder = tmp_path / "folder"
        paths = sorted(str(path) for path in folder.rglob("*"))
        return index.scan(folder, paths, look, tmp_path / "kept" / "index.sqlite", question), list(asked)

    (tmp_path / "folder").mkdir()
    return run


@pytest.fixture
def settled(monkeypatch):
    """Lets files count as settled at once."""
    monkeypatch.setattr(index, "SETTLED_NS", 0)


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_until_it_changes(scan, tmp_path):
    for name in "abc":
        (tmp_path / "folder" / name).write_text(name)
    first, asked = scan()
    assert (len(first), asked) == (3, ["a", "b", "c"])
    assert scan() == (first, [])
    (tmp_path / "folder" / "b").write_text("x")
    second, asked = scan()
    assert asked == ["b"]
    assert index.fingerprint(second, []) != index.fingerprint(first, [])
    (tmp_path / "folder" / "b").write_text("b")
    assert index.fingerprint(scan()[0], []) == index.fingerprint(first, [])


@pytest.mark.usefixtures("settled")
def test_times_that_are_set_back_hide_nothing(scan, tmp_path):
    path = tmp_path / "folder" / "a"
    path.write_text("old")
    status = path.stat()
    first, _ = scan()
    path.write_text("new")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second, asked = scan()
    assert asked == ["a"]
    assert second != first


def test_what_has_changed_just_now_is_not_remembered(scan, tmp_path):
    (tmp_path / "folder" / "a").write_text("a")
    assert scan()[1] == scan()[1] == ["a"]


@pytest.mark.usefixtures("settled")
def test_another_question_is_asked_anew_and_what_is_gone_forgotten(scan, tmp_path):
    (tmp_path / "folder" / "a").write_text("a")
    scan()
    assert scan("another")[1] == ["a"]
    (tmp_path / "folder" / "a").rename(tmp_path / "folder" / "b")
    entries, asked = scan()
    assert ([entry.name for entry in entries], asked) == (["b"], ["b"])


def test_a_file_that_cannot_be_read_is_an_entry_too(scan, tmp_path):
    (tmp_path / "folder" / "a").symlink_to(tmp_path / "nowhere")
    ((entry,), _) = scan()
    assert (entry.name, entry.size, entry.digest, entry.facts) == ("a", 0, "", None)


def test_names_that_are_not_utf8_are_escaped(scan, tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path / "folder") + b"/\xff.png")).write_text("a")
    ((entry,), _) = scan()
    assert entry.name == "\\xff.png"
    assert len(index.fingerprint([entry], [])) == 64


ENTRIES = st.lists(
    st.builds(index.Entry, st.text(), st.just(""), st.integers(0, 9), st.text("0123456789abcdef"), st.none()),
    max_size=6,
)


@given(ENTRIES, st.randoms())
def test_the_order_of_files_is_nothing_to_the_fingerprint(entries, draw):
    shuffled = list(entries)
    draw.shuffle(shuffled)
    assert index.fingerprint(shuffled, []) == index.fingerprint(entries, [])


@given(ENTRIES, ENTRIES)
def test_other_names_sizes_or_contents_have_another_fingerprint(one, other):
    same = sorted(entry[:1] + entry[2:4] for entry in one) == sorted(entry[:1] + entry[2:4] for entry in other)
    assert (index.fingerprint(one, []) == index.fingerprint(other, [])) == same
