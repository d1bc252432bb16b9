import itertools

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.text import Text

import models
from pipeline import chart


@pytest.fixture
def axes():
    figure, axes = pyplot.subplots(figsize=(10, 7))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    yield axes
    pyplot.close(figure)


def boxes(axes, notes):
    axes.figure.canvas.draw()
    return [Text.get_window_extent(note) for note in notes]


@pytest.mark.parametrize("seed", range(3))
def test_names_cover_neither_points_nor_one_another(axes, seed):
    """As many as the fleet has, half of them in a heap."""
    random = np.random.default_rng(seed)
    points = [tuple(point) for point in (*random.uniform(0.05, 0.95, (15, 2)), *random.normal(0.6, 0.05, (16, 2)))]
    notes = chart.label(axes, points, models.names())
    assert [note.get_text() for note in notes] == list(models.names())
    found = boxes(axes, notes)
    assert not [pair for pair in itertools.combinations(found, 2) if pair[0].overlaps(pair[1])]
    for box in found:
        assert not [point for point in points if box.contains(*axes.transData.transform(point))]
        assert axes.bbox.contains(box.x0, box.y0)
        assert axes.bbox.contains(box.x1, box.y1)


def test_a_name_far_from_its_point_has_a_line_and_a_near_one_has_none(axes):
    heap = [(0.5, 0.5)] * 12
    notes = chart.label(axes, [*heap, (0.1, 0.1)], [f"network {number}" for number in range(13)])
    lines = [note.arrow_patch.get_visible() for note in notes]
    assert (any(lines), lines[-1]) == (True, False)


def test_where_there_is_no_room_names_are_written_all_the_same(axes):
    notes = chart.label(axes, [(0.5, 0.5)] * 2, ["a very long name " * 20] * 2)
    assert len(boxes(axes, notes)) == 2


def test_families_look_different():
    looks = chart.looks()
    assert list(looks) == list(dict.fromkeys(models.variant(name).family for name in models.names()))
    colours, markers = zip(*looks.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(looks)
