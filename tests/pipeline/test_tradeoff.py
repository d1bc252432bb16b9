import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import models
from pipeline import tradeoff
from pipeline.leaderboard import Row

ROWS = [
    Row(
        name,
        f"digits_{name}",
        "published",
        accuracy=0.9 + number % 7 / 100,
        accuracy_low=0.88,
        accuracy_high=0.98,
        size_bytes=10**5 * (1 + number),
        p50_ms=1.0 + number,
        version=1,
    )
    for number, name in enumerate(models.names())
]


def test_the_front_is_what_nothing_cheaper_beats():
    points = [(1.0, 0.90), (2.0, 0.95), (3.0, 0.95), (2.0, 0.97), (9.0, 0.96), (9.0, 0.99)]
    assert tradeoff.front(points) == [0, 3, 5]
    assert tradeoff.front([]) == []


COORDINATE = st.integers(0, 9).map(float)


@given(st.lists(st.tuples(COORDINATE, COORDINATE)))
def test_each_point_is_on_the_front_or_one_there_is_as_good_in_both(points):
    on_front = tradeoff.front(points)
    for place, (cost, accuracy) in enumerate(points):
        better = [one for one in on_front if points[one][0] <= cost and points[one][1] >= accuracy]
        assert place in on_front or better
        assert place not in on_front or better == [place]


@pytest.mark.parametrize(
    "rows",
    [
        {},
        {"digits": [Row("lenet5", "digits_lenet5", "failed")]},
        {"digits": [dataclasses.replace(row, label="champion") for row in ROWS]},
        {"digits": ROWS[:3], "cifar10": [Row("lenet6", "cifar10_lenet6", "withheld", accuracy=0.5, p50_ms=2.0)]},
    ],
    ids=["none", "not measured", "the fleet", "two data sets, and an architecture that is gone"],
)
def test_draws_whatever_there_is(tmp_path, rows):
    tradeoff.draw(rows, tmp_path / "plot.png", dpi=80)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width == 720
        assert picture.height == 80 * (0.5 + 3.8 * max(1, len(rows)))
