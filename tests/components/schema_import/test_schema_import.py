"""A curated schema, from a file into the graph."""

from pathlib import Path

import pytest

from components.schema_import.component import SchemaError, SchemaImport

GOOD = 'feature { name: "image" type: BYTES }\nfeature { name: "label" type: INT }\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.pbtxt"


def test_it_is_copied_as_it_is(path, execute, tmp_path):
    path.write_text(GOOD)
    found = execute(SchemaImport(str(path)), tmp_path / "out")["schema"]
    assert Path(found.uri, "schema.pbtxt").read_text() == GOOD


def test_another_content_is_another_key_of_the_cache(path):
    keys = []
    for content in (GOOD, GOOD + 'feature { name: "height" type: INT }\n', GOOD):
        path.write_text(content)
        keys.append(SchemaImport(str(path)).exec_properties)
    assert keys[0] == keys[2] != keys[1]


def test_the_same_file_has_one_key_wherever_one_stands(path, monkeypatch):
    path.write_text(GOOD)
    monkeypatch.chdir(path.parent)
    assert SchemaImport("mine.pbtxt").exec_properties == SchemaImport(str(path)).exec_properties


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "where 1:1 : "),
        (bytes([0, 255]), "where "),
        (b'feature { name: "image" }', "which has no feature `label`."),
        (b"", "which has no feature `image` and no feature `label`."),
    ],
)
def test_what_is_no_schema_of_images_is_refused(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(SchemaError) as error:
        SchemaImport(str(path))
    start = f"`dataset.schema` must be a schema in protobuf's text format. Received: {path}, {reason}"
    assert str(error.value).startswith(start)


def test_a_file_that_went_is_refused(path):
    with pytest.raises(SchemaError, match="No such file"):
        SchemaImport(str(path))
