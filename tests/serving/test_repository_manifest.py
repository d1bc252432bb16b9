import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.repository import ManifestError, digest, manifest

# Every name that a Linux file system takes, bar those of the links to itself and its parent.
names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.sampled_from(" \\\n\r*-é😀"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 100)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(paths, st.binary(max_size=200), max_size=6)


def write(root, tree):
    """Writes a tree's files, bar those whose parent is a file; returns what stands."""
    written = {}
    for name, content in tree.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            continue
        written[name] = content
    return written


def listable(name):
    return name != "-" and not set(name) & set("\\\r\n")


@settings(max_examples=60, deadline=None)
@given(trees)
def test_coreutils_agrees_on_any_tree(tree):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "3")
        root.mkdir()
        tree = write(root, {name: content for name, content in tree.items() if listable(name)})
        text = manifest(root)
        assert sorted(tree) == [line[66:] for line in text.split("\n")[:-1]]
        Path(folder, "3.sha256").write_text(text, encoding="utf-8")
        if tree:
            command = ["sha256sum", "--strict", "--status", "-c", "../3.sha256"]
            subprocess.run(command, cwd=root, check=True)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_names_that_coreutils_would_escape_are_refused(tree):
    with tempfile.TemporaryDirectory() as folder:
        tree = write(Path(folder), tree)
        if all(listable(name) for name in tree):
            manifest(folder)
        else:
            with pytest.raises(ManifestError, match="without backslash"):
                manifest(folder)


@settings(max_examples=60, deadline=None)
@given(trees.filter(lambda tree: all(map(listable, tree))), st.data())
def test_any_change_changes_the_identity(tree, data):
    with tempfile.TemporaryDirectory() as folder:
        tree = write(Path(folder), tree)
        before = digest(folder)
        assert digest(folder) == before
        name = data.draw(st.sampled_from([*tree, "another file"]))
        path = Path(folder, name)
        path.write_bytes(path.read_bytes() + b"\0" if path.exists() else b"")
        assert digest(folder) != before


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "caf\udce9").touch()
    with pytest.raises(ManifestError, match="must be UTF-8"):
        manifest(tmp_path)
