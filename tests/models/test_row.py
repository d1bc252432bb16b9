import pytest

from models import Choice, Form, Range


@pytest.mark.parametrize("value", [0.25, 0.5, 1, 2.0])
def test_a_range_accepts_what_lies_in_it(value):
    assert Range(0.5, low=0.25, high=2.0).accepts(value)


@pytest.mark.parametrize("value", [0.2, 3, True, "1", None, float("nan"), float("inf")])
def test_a_range_accepts_nothing_else(value):
    assert not Range(0.5, low=0.25, high=2.0).accepts(value)


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_a_choice_of_two(value):
    assert Choice(False).accepts(value)
    assert Choice(False).rule() == "one of false, true"


@pytest.mark.parametrize("value", [1, 0, "true", None, 1.0])
def test_a_flag_takes_no_number_for_a_truth(value):
    assert not Choice(False).accepts(value)


def test_a_choice_names_what_there_is():
    choice = Choice("b", ("a", "b", "c"))
    assert choice.rule() == "one of a, b, c"
    assert [value for value in ("a", "b", "c", "d", "B", 1) if choice.accepts(value)] == ["a", "b", "c"]


def test_a_form_accepts_any_side_where_it_resizes():
    assert [Form((32, 32, 3), min_side=9).accepts(side) for side in (8, 9)] == [False, True]
    assert Form((32, 32, 3), min_side=9, resize_to=16).accepts(1)
