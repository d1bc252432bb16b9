"""Counts that are the same in whatever order they come, and intervals beside those of SciPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.evaluation import tally
from components.evaluation.tally import Tally

ANSWERS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.floats(2**-10, 1, width=32), min_size=4, max_size=4)), min_size=1
)


def counted(answers):
    found = Tally()
    for label, weights in answers:
        found.add(label, np.array(weights, np.float32) / np.float32(sum(weights)))
    return found


def said(found):
    return found.values(), found.intervals(), found.bins.tolist()


@given(ANSWERS, st.data())
def test_the_order_of_images_and_workers_changes_no_digit(answers, data):
    shuffled = data.draw(st.permutations(answers))
    cut = data.draw(st.integers(0, len(answers)))
    merged = counted(shuffled[cut:])
    merged.merge(counted(shuffled[:cut]))
    assert said(merged) == said(counted(answers))


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilsons_interval_is_scipys(fraction):
    theirs = stats.binomtest(*fraction).proportion_ci(0.95, "wilson")
    assert tally.wilson(*fraction) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize(
    ("better", "worse", "total", "noise"), [(0, 4, 360, True), (0, 0, 360, True), (3, 0, 4, True), (0, 9, 360, False)]
)
def test_few_differing_answers_are_noise_as_mcnemars_exact_test_has_it(better, worse, total, noise):
    low, high = tally.paired(better, worse, total)
    exact = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert (low <= 0 <= high, exact > 0.05) == (noise, noise)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_the_interval_of_a_difference_holds_it_and_turns_with_it(better, worse, same):
    total = better + worse + same + 1
    low, high = tally.paired(better, worse, total)
    assert -1 <= low <= (better - worse) / total <= high <= 1
    assert tally.paired(worse, better, total) == pytest.approx((-high, -low))


def test_the_intervals_of_macro_averages_are_as_wide_as_draws_of_images_make_them():
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 3, 200)
    predicted = np.where(draw.random(200) < 0.8, labels, draw.integers(0, 3, 200))
    found = counted([(int(label), np.eye(4)[one] + 0.001) for label, one in zip(labels, predicted, strict=True)])
    recalls = []
    for _ in range(1000):
        chosen = draw.integers(0, 200, 200)
        each = [(predicted[chosen] == labels[chosen])[labels[chosen] == one].mean() for one in range(3)]
        recalls.append(np.mean(each))
    low, high = found.intervals()["macro_recall"]
    assert (low, high) == pytest.approx(np.quantile(recalls, [0.025, 0.975]), abs=0.015)
    assert low < found.values()["macro_recall"] < high


def test_bounds_hold_where_a_value_is_just_on_them():
    import tfx.components  # noqa: F401 -- Before TFMA, which is not whole otherwise.

    from components.evaluation.gate import Threshold

    fractions = [number / 100 for number in range(101)]
    for before, after in itertools.pairwise(fractions):
        assert Threshold("accuracy", "", "max_regression", 0.01).room(before, after) >= 0
        assert Threshold("cross_entropy", "", "max_regression", 0.01).room(after, before) >= 0
        assert Threshold("accuracy", "", "max_regression", 0.0099).room(before, after) < 0
