"""Which names are versions, and which versions a policy wants (contract R2 to R10)."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server.discovery import All, Latest, Specific, aspired_versions, parse_version


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("0", 0),
        ("00000123", 123),
        ("+5", 5),
        (" 7\t", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-0", 0),
        *[(name, None) for name in ["1.0", "v1", "1_tmp", "1e3", "0x1", "", "+", "+-1", "+ 1", "1 2", "\u0661", "-3"]],
        *[(name, None) for name in ["9223372036854775808", "9" * 250, ".1", "1\n2"]],
    ],
)
def test_R2_R3_a_version_is_a_signed_64_bit_decimal_that_is_not_negative(name, number):
    assert parse_version(name) == number


@given(st.integers(0, 2**63 - 1), st.integers(0, 5), st.sampled_from(["", "+"]))
def test_R2_every_spelling_of_a_number_parses(number, zeros, sign):
    assert parse_version(f" {sign}{'0' * zeros}{number} ") == number


@given(st.text(max_size=20))
def test_R2_any_other_name_is_skipped_without_an_error(name):
    number = parse_version(name)
    assert number is None or int(name) == number


@pytest.fixture
def base(tmp_path):
    for name in ("1", "2", "010", "v3", "1.5", ".incoming-9"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file counts as well (R4)")
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        (Latest(), {10: "010"}),
        (Latest(0), {10: "010"}),
        (Latest(3), {10: "010", 7: "7", 2: "2"}),
        (Latest(99), {10: "010", 7: "7", 2: "2", 1: "1"}),
        (All(), {10: "010", 7: "7", 2: "2", 1: "1"}),
        (Specific((1, 7)), {1: "1", 7: "7"}),
        (Specific((10, 2)), {10: "010", 2: "2"}),
        (Specific((5, 2)), {2: "2"}),
        (Specific(()), {}),
    ],
)
def test_R4_R6_R7_policies_pick_by_number(base, policy, names):
    assert aspired_versions("m", base, policy) == {number: base / name for number, name in names.items()}


@pytest.mark.parametrize(("policy", "winner"), [(Latest(), "1"), (All(), "01"), (Specific((1, 2)), "1")])
def test_R5_of_two_names_for_one_number_one_wins(tmp_path, caplog, policy, winner):
    for name in ("1", "01"):
        (tmp_path / name).mkdir()
    assert aspired_versions("m", tmp_path, policy) == {1: tmp_path / winner}
    assert isinstance(policy, Specific) or "Duplicate version directories" in caplog.text


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (Specific((5,)), "requested to be served as a 'specific' version, not found"),
        (Specific(()), "No specific versions requested"),
        (Latest(), "No versions of servable m found under base path"),
    ],
)
def test_R7_R10_what_is_missing_is_said(tmp_path, caplog, policy, line):
    with caplog.at_level(logging.WARNING):
        assert aspired_versions("m", tmp_path, policy) == {}
    assert line in caplog.text


def test_I1_a_base_path_that_is_itself_a_model_is_told_so(tmp_path, caplog):
    (tmp_path / "saved_model.pb").touch()
    aspired_versions("m", tmp_path, Latest())
    assert "itself a SavedModel" in caplog.text


@pytest.mark.parametrize("policy", [Latest(), All(), Specific((1,)), Specific(())])
def test_R8_a_missing_base_path_is_an_error(tmp_path, policy):
    with pytest.raises(OSError, match="absent"):
        aspired_versions("m", tmp_path / "absent", policy)
