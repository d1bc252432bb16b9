"""The digest of the source that a component runs."""

import sys

import pytest

from components.source import source_digest, with_imports


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package of two modules and a subpackage, and puts it on the path."""
    root = tmp_path / "rowing"
    (root / "boats").mkdir(parents=True)
    for name in ("__init__", "oars", "boats/__init__", "boats/eights"):
        (root / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (root / "notes.txt").write_text("no code")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "rowing"]:
        del sys.modules[name]


def test_is_sixteen_hexadecimal_digits_and_the_same_again(package):
    first = source_digest("rowing")
    assert len(first) == 16
    assert int(first, 16)
    assert source_digest("rowing") == first


@pytest.mark.parametrize("file", ["__init__.py", "oars.py", "boats/eights.py"])
def test_changes_with_any_file_of_a_package(package, file):
    before = source_digest("rowing")
    (package / file).write_text("NAME = 'changed'\n")
    assert source_digest("rowing") != before


def test_changes_with_a_new_file_and_with_a_renamed_one(package):
    before = source_digest("rowing")
    (package / "rudder.py").write_text("")
    added = source_digest("rowing")
    (package / "rudder.py").rename(package / "skeg.py")
    assert len({before, added, source_digest("rowing")}) == 3


def test_a_module_stands_for_its_own_file_alone(package):
    before = source_digest("rowing.oars"), source_digest("rowing.boats")
    (package / "__init__.py").write_text("NAME = 'changed'\n")
    (package / "notes.txt").write_text("changed")
    assert (source_digest("rowing.oars"), source_digest("rowing.boats")) == before
    (package / "oars.py").write_text("NAME = 'changed'\n")
    assert source_digest("rowing.oars") != before[0]
    assert source_digest("rowing.boats") == before[1]


def test_several_modules_count_in_whatever_order(package):
    assert source_digest("rowing.oars", "rowing.boats") == source_digest("rowing.boats", "rowing.oars")
    assert source_digest("rowing.oars") != source_digest("rowing.oars", "rowing.boats")


def test_does_not_import_what_it_digests(package):
    (package / "oars.py").write_text("raise SystemExit\n")
    source_digest("rowing.oars")
    assert "rowing.oars" not in sys.modules


def test_a_module_that_is_not_there_is_refused():
    with pytest.raises(ModuleNotFoundError, match=r"source code is required\. Received: 'no_such_module'"):
        source_digest("no_such_module")


class TestWithImports:
    """The modules that a module needs, read from their source."""

    @pytest.fixture
    def needs(self, package):
        """Writes what `rowing.oars` imports; returns what it is found to need."""

        def write(text):
            (package / "oars.py").write_text(text)
            return with_imports("rowing.oars", "rowing")

        return write

    @pytest.mark.parametrize(
        "text",
        [
            "import rowing.boats.eights",
            "import rowing.boats.eights as fast",
            "from rowing.boats import eights",
            "from rowing.boats.eights import NAME",
            "def row():\n    from rowing.boats.eights import NAME",
        ],
    )
    def test_every_way_to_import_is_seen(self, needs, text):
        assert needs(text) == ("rowing.boats.eights", "rowing.oars")

    def test_a_name_of_a_package_needs_the_package(self, needs):
        assert needs("from rowing.boats import NAME") == ("rowing.boats", "rowing.oars")

    def test_what_is_imported_has_imports_too_in_circles_even(self, needs, package):
        (package / "boats" / "eights.py").write_text("import rowing.rudder\nimport json")
        (package / "rudder.py").write_text("from rowing.oars import blade")
        assert needs("import rowing.boats.eights") == ("rowing.boats.eights", "rowing.oars", "rowing.rudder")

    def test_other_packages_are_not_followed(self, needs):
        assert needs("import json\nfrom pathlib import Path\nimport rowingclub") == ("rowing.oars",)

    def test_nothing_is_imported(self, needs):
        needs("import rowing.boats.eights\nraise SystemExit")
        assert "rowing.boats.eights" not in sys.modules
