"""TFMA's Evaluator with our metrics, on models whose every answer is known; by hand, the same comes out."""

import io

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from PIL import Image
from sklearn import metrics as by_hand

from components.evaluation.facts import Slice

RIGHT = {0: (235, 10, 10), 1: (10, 235, 10), 2: (10, 10, 235)}


def row(label, answers, others=None, **more):
    return label, (answers, others or answers), more


def mixed(count, seed=0, classes=3):
    """Rows with random answers, of both models."""
    draw = np.random.default_rng(seed)
    rows = []
    for label in draw.integers(0, classes, count):
        answers = draw.multinomial(255, draw.dirichlet(np.full(classes, 0.3)), 2)
        brightness, side = float(draw.random()), int(draw.choice([16, 100, 500]))
        rows.append((int(label), tuple(map(tuple, answers)), {"brightness": brightness, "width": side, "height": side}))
    return rows


def answers_of(rows, model=0):
    labels = np.array([label for label, *_ in rows])
    return labels, np.array([answers[model] for _, answers, _ in rows], np.float64) / 255


@pytest.mark.parametrize("classes", [3, 7])
def test_the_metrics_are_those_that_one_works_out_by_hand(classes, evaluated):
    rows = mixed(60, classes=classes)
    names = tuple(f"class {number}" for number in range(classes))
    found, _ = evaluated(rows, class_names=names)
    labels, scores = answers_of(rows)
    predicted = scores.argmax(axis=1)
    bins = np.minimum((scores.max(axis=1) * 15).astype(int), 14)
    gaps = [abs((scores.max(axis=1) - (predicted == labels))[bins == one].sum()) for one in range(15)]
    precision, recall, f1, support = by_hand.precision_recall_fscore_support(
        labels, predicted, labels=range(classes), zero_division=0
    )
    expected = {
        "accuracy": by_hand.accuracy_score(labels, predicted),
        "cross_entropy": -np.log(np.maximum(scores[np.arange(60), labels], 1e-7)).mean(),
        "macro_precision": precision.mean(),
        "macro_recall": recall.mean(),
        "macro_f1": f1.mean(),
        "expected_calibration_error": sum(gaps) / 60,
    }
    if classes > 5:
        ranks = (scores > scores[np.arange(60), labels][:, None]).sum(axis=1)
        expected["top_5_accuracy"] = (ranks < 5).mean()
    assert {name: one.value for name, one in found.metrics.items()} == pytest.approx(expected, abs=1e-5)
    assert found.examples == 60
    assert np.array(found.confusion).tolist() == by_hand.confusion_matrix(labels, predicted).tolist()
    assert [(one.precision, one.recall, one.f1, one.examples) for one in found.classes] == [
        pytest.approx(each) for each in zip(precision, recall, f1, support, strict=True)
    ]
    assert sum(one.examples for one in found.calibration) == 60
    assert sum(one.accuracy * one.examples for one in found.calibration) == pytest.approx((predicted == labels).sum())
    assert all(one.low <= one.confidence <= one.high + 1e-6 for one in found.calibration)


def test_tfmas_own_metrics_say_the_same(evaluated, models, tmp_path):
    rows = mixed(40, seed=1)
    found, _ = evaluated(rows)
    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="classify", label_key="label", prediction_key="scores")],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(class_name="SparseCategoricalAccuracy", config='{"name": "accuracy"}'),
                    tfma.MetricConfig(class_name="SparseCategoricalCrossentropy", config='{"name": "cross_entropy"}'),
                ]
            )
        ],
    )
    result = tfma.run_model_analysis(
        eval_shared_model=tfma.default_eval_shared_model(
            str(models(3) / "candidate" / "Format-Serving"), eval_config=config
        ),
        eval_config=config,
        data_location=str(tmp_path / "examples" / "Split-test" / "*"),
        output_path=str(tmp_path / "theirs"),
    )
    theirs = result.get_metrics_for_slice(())
    for name in ("accuracy", "cross_entropy"):
        assert theirs[name]["doubleValue"] == pytest.approx(found.metrics[name].value, abs=1e-5)


def test_slices_by_class_brightness_and_size_with_wilsons_intervals(evaluated):
    rows = mixed(90, seed=2)
    found, _ = evaluated(rows)
    labels, scores = answers_of(rows)
    right = scores.argmax(axis=1) == labels
    brightness = np.array([more["brightness"] * 255 for *_, more in rows])
    sides = np.array([more["width"] for *_, more in rows])
    cuts = {
        ("class_name", "cat"): labels == 0,
        ("brightness", "dark"): brightness < 85,
        ("brightness", "medium"): (brightness >= 85) & (brightness < 170),
        ("brightness", "bright"): brightness >= 170,
        ("size", "small"): sides == 16,
        ("size", "medium"): sides == 100,
        ("size", "large"): sides == 500,
    }
    slices = {(one.feature, one.name): one for one in found.slices}
    assert {feature for feature, _ in slices} == {"class_name", "brightness", "size"}
    for place, where in cuts.items():
        one: Slice = slices[place]
        assert one.examples == where.sum()
        accuracy = one.metrics["accuracy"]
        assert accuracy.value == pytest.approx(right[where].mean())
        assert accuracy.low < accuracy.value < accuracy.high


def test_a_feature_that_is_the_same_everywhere_cuts_nothing(evaluated):
    found, _ = evaluated([row(label, RIGHT[label]) for label in (0, 1, 2)])
    assert {one.feature for one in found.slices} == {"class_name"}


def test_the_worst_mistakes_come_first_with_their_pictures(evaluated):
    sure, less, right = (250, 5, 0), (130, 120, 5), (5, 245, 5)
    rows = [row(1, answers) for answers in (less, right, sure)]
    found, _ = evaluated([*rows, *[row(1, (129, 121, 5))] * 40])
    assert len(found.mistakes) == 25
    first, second = found.mistakes[:2]
    assert (first.class_name, first.predicted) == ("dog", "cat")
    assert (first.probability, first.class_probability) == pytest.approx((250 / 255, 5 / 255))
    assert second.probability == pytest.approx(130 / 255)
    assert np.asarray(Image.open(io.BytesIO(first.image))).tolist() == [list(sure), list(sure)]


def better(count, of):
    """Rows that the candidate gets right more often than its baseline, by so many."""
    return [row(0, RIGHT[0], RIGHT[1] if number < count else RIGHT[0]) for number in range(of)]


def worse(count, of, label=0):
    other = RIGHT[(label + 1) % 3]
    return [row(label, other if number < count else RIGHT[label], RIGHT[label]) for number in range(of)]


VERDICTS = {
    "better": (better(8, 20), {}, True, ["accuracy 1.0000, the champion 0.6000", "+0.4000, beyond the noise of 20"]),
    "worse overall": (
        worse(6, 20),
        {},
        False,
        [
            "accuracy must be no more than 0.1 worse than the champion's. Received: 0.7000, the champion 1.0000.",
            "-0.3000, beyond the noise of 20 images",
        ],
    ),
    "worse on one slice": (
        worse(3, 4, label=2) + worse(0, 40),
        {"slices": {"class_name=emu": {"accuracy": {"max_regression": 0.2}}}},
        False,
        [
            "accuracy on class_name=emu must be no more than 0.2 worse than the champion's. "
            "Received: 0.2500, the champion 1.0000."
        ],
    ),
    "a bad slice without a bound of its own": (
        worse(4, 4, label=2) + worse(0, 60),
        {},
        True,
        ["accuracy 0.9375, the champion 1.0000 (required: no more than 0.1 worse than the champion's)."],
    ),
    "just on the bound": (
        worse(1, 10) + worse(0, 10),
        {"max_regression": 0.05},
        True,
        ["(required: no more than 0.05"],
    ),
    "within noise": (worse(2, 60) + better(1, 1), {}, True, ["-0.0164, within the noise of 61 images"]),
    "no baseline": (worse(1, 20), {}, True, ["accuracy 0.9500 (required: at least 0.5)", "There is no champion"]),
    "another metric": (
        worse(4, 20),
        {"metrics": {"cross_entropy": {"max": 0.2}}, "max_regression": 0.5},
        False,
        ["cross_entropy must be at most 0.2. Received: ", ", the champion 0.0"],
    ),
    "a metric that should fall": (
        worse(4, 20),
        {"metrics": {"cross_entropy": {"max_regression": 0.3}}, "max_regression": 0.5},
        False,
        ["cross_entropy must be no more than 0.3 worse than the champion's. Received: 0.7"],
    ),
    "no image of the slice": (
        worse(0, 20),
        {"slices": {"brightness=dark": {"accuracy": {"min": 0.5}}}},
        False,
        ["accuracy on brightness=dark must be at least 0.5. Received: no image of that slice in the test split."],
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_names_what_decided_with_both_values(name, evaluated):
    rows, gate, blessed, said = VERDICTS[name]
    found, out = evaluated(rows, baseline=name != "no baseline", **{"min_accuracy": 0.5, "max_regression": 0.1} | gate)
    assert found.verdict.blessed is blessed, found.verdict.reason
    assert out["blessing"].get_int_custom_property("blessed") == blessed
    for part in said:
        assert part in found.verdict.reason
    assert bool(found.verdict.objections) is not blessed
