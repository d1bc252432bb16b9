"""What the charts have in common: how each family looks, and names beside points that cover nothing."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import BboxBase

import models

# Okabe and Ito's colours, which the colour-blind tell apart; each has a marker of its own, for print without colours.
LOOKS = (
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#D55E00", "v"),
    ("#56B4E9", "P"),
    ("#4D4D4D", "X"),  # Theirs is black, as the outlines are.
    ("#F0E442", "*"),
)
# How far from the edge of its point a name may stand, in points (1/72 inch); from NEAR on, a line leads back.
DISTANCES = (2, 6, 12, 20, 30, 42, 56, 72, 90, 110)
NEAR = 12
# So much further away a name stands rather than let its line cross something, crowd something, or seem another point's.
CROSSING = 60
BESIDE = 15
MISTAKABLE = 40
MARGIN = 5 * np.array([-1, -1, 1, 1])  # Pixels.
DIRECTIONS = 24
# What names and lines keep free around them, in pixels.
CLEARANCE = 1.5
# Of a line, that are looked at one by one.
PIECES = 25

Point = tuple[float, float]


def looks() -> dict[str, tuple[str, str]]:
    """Returns the colour and the marker of each family, in the order of the catalog."""
    families = dict.fromkeys(models.variant(name).family for name in models.names())
    return dict(zip(families, itertools.cycle(LOOKS), strict=False))


def label(axes: Axes, points: Sequence[Point], names: Sequence[str], *, radius: float = 4.0) -> list[Annotation]:
    """Writes a name beside each point, where it covers neither a point nor another name, while there is room.

    Args:
      axes: With all points drawn, and its limits as they will stay.
      points: In the units of the axes.
      names: As many.
      radius: Of the markers, in points (1/72 inch).
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()  # From here on it is known where things are, in pixels.
    pixels = figure.dpi / 72
    centres = [axes.transData.transform(point) for point in points]
    taken = np.array([_around(centre, radius * pixels) for centre in centres])
    notes = {}
    # Where it is crowded, names have the least choice: they go first.
    for one in sorted(range(len(points)), key=lambda one: _room(centres, one)):
        notes[one] = note = _write(axes, points[one], names[one], radius)
        others = np.array([other for other in centres if math.dist(other, centres[one]) > radius * pixels])
        places = _places(centres[one], note, radius * pixels, pixels)
        place = _choose(places, centres[one], others, taken, axes.bbox)
        note.xyann = tuple((place.middle - centres[one]) / pixels)
        line = _line(centres[one], place)
        assert note.arrow_patch is not None
        note.arrow_patch.set_visible(len(line) > 0)
        taken = np.concatenate([taken, [place.box], line])
    return [notes[one] for one in range(len(points))]


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a name could stand: so many points from its own, and in pixels; boxes are x0, y0, x1, y1."""

    distance: float
    middle: np.ndarray
    box: np.ndarray


def _write(axes: Axes, point: Point, name: str, radius: float) -> Annotation:
    look = {"arrowstyle": "-", "color": "0.55", "linewidth": 0.6, "shrinkA": 0, "shrinkB": radius * 0.8}
    note = axes.annotate(name, point, (0, 0), textcoords="offset points", fontsize=8, arrowprops=look)
    note.set(horizontalalignment="center", verticalalignment="center", in_layout=False)
    return note


def _room(centres: Sequence[np.ndarray], one: int) -> float:
    """Returns how far from a point its third neighbour is."""
    distances = sorted(math.dist(centres[one], other) for other in centres)
    return distances[min(3, len(distances) - 1)]


def _choose(places: list[_Place], centre: np.ndarray, others: np.ndarray, taken: np.ndarray, frame: BboxBase) -> _Place:
    """Chooses among the places where the name covers nothing: near, with a line that crosses little."""
    inside = frame.padded(-CLEARANCE).contains
    covering = _overlap(np.array([place.box for place in places]), taken)
    # A line may leave its own marker, and others on the same spot.
    elsewhere = taken[~_overlap(taken, _around(centre, 1)[np.newaxis])]
    best, least = places[0], math.inf
    for place, covers in zip(places, covering, strict=True):
        if place.distance >= least:
            break  # None that comes is better, whatever its line crosses.
        if covers or not (inside(*place.box[:2]) and inside(*place.box[2:])):
            continue
        beside = _overlap(elsewhere, (place.box + MARGIN)[np.newaxis]).sum()
        cost = place.distance + CROSSING * _overlap(elsewhere, _line(centre, place)).sum() + BESIDE * beside
        cost += MISTAKABLE * _mistakable(place, centre, others)
        if cost < least:
            best, least = place, cost
    return best


def _mistakable(place: _Place, centre: np.ndarray, others: np.ndarray) -> bool:
    """Tells whether a name without a line stands no nearer to its own point than to another's."""
    if place.distance >= NEAR or not len(others):
        return False
    (own,), rest = _gaps(place.box, centre[np.newaxis]), _gaps(place.box, others)
    return bool(rest.min() <= 1.5 * own)


def _gaps(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns how far each point [N, 2] is from a box."""
    return np.asarray(np.hypot(*np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0).T))


def _places(centre: np.ndarray, note: Annotation, radius: float, pixels: float) -> list[_Place]:
    """Lists places around a point, the nearest first."""
    extent = note.get_window_extent()
    half = np.array([extent.width, extent.height]) / 2
    found = []
    for distance, number in itertools.product(DISTANCES, range(DIRECTIONS)):
        angle = 2 * math.pi * number / DIRECTIONS
        towards = np.array([math.cos(angle), math.sin(angle)])
        # The side that faces the point is so far away from it.
        middle = centre + (radius + distance * pixels) * towards + half * np.clip(1.5 * towards, -1, 1)
        box = np.concatenate([middle - half - CLEARANCE, middle + half + CLEARANCE])
        found.append(_Place(distance, middle, box))
    return found


def _line(start: np.ndarray, place: _Place) -> np.ndarray:
    """Cuts the line from a point to its name into small boxes; a name that stands near has none."""
    if place.distance < NEAR:
        return np.empty((0, 4))
    dots = start + (place.middle - start) * np.linspace(0, 1, PIECES)[:, np.newaxis]
    outside = dots[np.any((dots < place.box[:2]) | (dots > place.box[2:]), axis=1)]
    return np.hstack([outside - CLEARANCE, outside + CLEARANCE])


def _around(centre: np.ndarray, radius: float) -> np.ndarray:
    return np.concatenate([centre - radius, centre + radius])


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tells of each box [N, 4] whether it overlaps one of the others [M, 4]."""
    one, two = boxes[:, np.newaxis], others[np.newaxis]
    shared = np.all((one[..., :2] < two[..., 2:]) & (two[..., :2] < one[..., 2:]), axis=2)
    return np.asarray(np.any(shared, axis=1))
