"""What TFMA found, put together with what was gathered beside it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma

from components.evaluation import answers, gate, tally
from components.evaluation.facts import (
    METRICS,
    OVERALL,
    SLICES,
    TOP,
    Baseline,
    Bin,
    Check,
    ClassScore,
    Estimate,
    Evaluation,
    Slice,
    Verdict,
)
from components.evaluation.gate import Threshold

EXAMPLES = "example_count"
# Values by slice, model and metric.
Values = Mapping[str, Mapping[str, Mapping[str, float]]]


def evaluation(
    uri: str,
    gathered: answers.Gathered,
    thresholds: Sequence[Threshold],
    class_names: Sequence[str],
    baseline_uri: str | None,
) -> Evaluation:
    """Puts together what was found out.

    Args:
      uri: Folder of TFMA's results.
      gathered: Beside them.
      thresholds: Of the gate.
      class_names: In the order of the labels.
      baseline_uri: Folder of the champion's trained model; None where there is none.
    """
    values = _values(uri)
    candidate = gate.CANDIDATE if baseline_uri else ""
    intervals = gathered.tally.intervals()
    shown = [name for name in METRICS if name != "top_5_accuracy" or len(class_names) > TOP]
    overall = values[OVERALL][candidate]
    metrics = {name: _estimate(overall[name], intervals.get(name)) for name in shown}
    baseline = _baseline(values, gathered, baseline_uri, shown) if baseline_uri else None
    checks = tuple(_checks(values, thresholds, candidate))
    blessed = tfma.load_validation_result(uri).validation_ok
    return Evaluation(
        examples=gathered.tally.examples,
        metrics=metrics,
        classes=tuple(_classes(gathered.tally, class_names)),
        confusion=_confusion(gathered.tally.answers, len(class_names)),
        calibration=tuple(_bins(gathered.tally)),
        slices=tuple(_slices(values, candidate)),
        mistakes=answers.mistakes(gathered, class_names),
        baseline=baseline,
        verdict=Verdict(blessed=blessed, reason=_reason(checks, baseline, gathered.tally.examples), checks=checks),
    )


def _values(uri: str) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in tfma.load_metrics(uri):
        models = found.setdefault(_place(row.slice_key), {})
        for one in row.metric_keys_and_values:
            if not one.key.is_diff and one.value.HasField("double_value"):
                models.setdefault(one.key.model_name, {})[one.key.name] = one.value.double_value.value
    return found


def _place(key: Any) -> str:
    """Names a slice as the config does: `class_name=cat`; empty for all of the test split."""
    return ",".join(f"{one.column}={one.bytes_value.decode()}" for one in key.single_slice_keys)


def _estimate(value: float, interval: tuple[float, float] | None) -> Estimate:
    low, high = interval or (None, None)
    return Estimate(value=value, low=low, high=high)


def _baseline(values: Values, gathered: answers.Gathered, uri: str, shown: Sequence[str]) -> Baseline:
    found = values[OVERALL][gate.BASELINE]
    total = gathered.tally.examples
    return Baseline(
        version=None,
        model_uri=uri,
        metrics={name: Estimate(value=found[name]) for name in shown},
        difference=_estimate(
            (gathered.better - gathered.worse) / total, tally.paired(gathered.better, gathered.worse, total)
        ),
    )


def _classes(counted: tally.Tally, class_names: Sequence[str]) -> Iterator[ClassScore]:
    for name, (examples, precision, recall, f1) in zip(
        class_names, tally.scores(counted.answers, len(class_names)).tolist(), strict=True
    ):
        yield ClassScore(name=name, examples=int(examples), precision=precision, recall=recall, f1=f1)


def _confusion(counted: Counter[tuple[int, int]], classes: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(counted[label, predicted] for predicted in range(classes)) for label in range(classes))


def _bins(counted: tally.Tally) -> Iterator[Bin]:
    for number, (examples, confidence, right) in enumerate(counted.bins.tolist()):
        if examples:
            yield Bin(
                low=number / tally.BINS,
                high=(number + 1) / tally.BINS,
                examples=int(examples),
                confidence=confidence / tally.STEPS / examples,
                accuracy=right / examples,
            )


def _slices(values: Values, candidate: str) -> Iterator[Slice]:
    """Lists the slices, by feature; not those of a feature that is the same for all of the test split."""
    for feature in SLICES:
        places = sorted(place for place in values if place.partition("=")[0] == feature)
        for place in places if len(places) > 1 else []:
            found = values[place][candidate]
            examples = int(found[EXAMPLES])
            right = round(found["accuracy"] * examples)
            metrics = {"accuracy": _estimate(found["accuracy"], tally.wilson(right, examples))}
            metrics |= {"cross_entropy": Estimate(value=found["cross_entropy"])}
            yield Slice(feature=feature, name=place.partition("=")[2], examples=examples, metrics=metrics)


def _checks(values: Values, thresholds: Sequence[Threshold], candidate: str) -> Iterator[Check]:
    """Says of each threshold what came; those against the champion hold where there is none."""
    for threshold in thresholds:
        models = values.get(threshold.slice, {})
        value = models.get(candidate, {}).get(threshold.metric)
        baseline = models.get(gate.BASELINE, {}).get(threshold.metric)
        if threshold.relative and value is not None and baseline is None:
            continue
        room = None if value is None else threshold.room(value, baseline)
        yield Check(
            metric=threshold.metric,
            slice=threshold.slice,
            required=threshold.required,
            value=value,
            baseline=baseline,
            room=room,
            passed=room is not None and room >= 0,
        )


def _reason(checks: Sequence[Check], baseline: Baseline | None, examples: int) -> str:
    failed = [check.objection for check in checks if not check.passed]
    nearest = min(checks, key=lambda check: -1.0 if check.room is None else check.room)
    decided = "; ".join(failed) or nearest.remark
    return f"{decided}. {_compared(baseline, examples)}"


def _compared(baseline: Baseline | None, examples: int) -> str:
    if baseline is None:
        return "There is no champion to compare with."
    found = baseline.difference
    assert found.low is not None
    assert found.high is not None
    noise = "within" if found.low <= 0 <= found.high else "beyond"
    return (
        f"Accuracy against the champion: {found.value:+.4f}, {noise} the noise of {examples:,} images "
        f"(95 % interval {found.low:+.4f} to {found.high:+.4f})."
    )
