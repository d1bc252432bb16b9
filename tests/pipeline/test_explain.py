"""What differs between two runs of a node, in words; the whole verb is walked in `tests/test_journey.py`."""

import json
from pathlib import Path

import pytest

from pipeline import explain
from pipeline.errors import UsageError
from pipeline.lineage import Execution
from pipeline.workspace import Workspace


def execution(*, config: dict[str, object] | None = None, examples: int = 1, **properties: object) -> Execution:
    known = {"run_fn": "a.b", "custom_config": json.dumps(config or {}), **properties}
    return Execution(examples, f"run{examples}", known, {"examples": frozenset({examples})})


def test_a_recipe_is_compared_field_by_field() -> None:
    before = execution(config={"recipe": {"epochs": 5, "seed": 0}, "form": "small"})
    after = execution(config={"recipe": {"epochs": 8, "seed": 0, "flip": True}, "form": "small"})
    assert list(explain.differences(before, after)) == ["`recipe.epochs` 5 -> 8", "`recipe.flip` none -> True"]


def test_a_digest_is_said_in_words_and_never_quoted() -> None:
    before, after = (execution(config={"source_digest": digest}) for digest in ("1a2b", "3c4d"))
    assert list(explain.differences(before, after)) == ["the source code that it runs"]


def test_a_field_deep_inside_is_named_as_the_config_does() -> None:
    def judged(accuracy: float, recall: float | None = None) -> Execution:
        bounds = {} if recall is None else {"macro_recall": {"min": recall}}
        return execution(gate=json.dumps({"min_accuracy": accuracy, "metrics": bounds, "slices": {}}))

    assert list(explain.differences(judged(0.95), judged(0.99))) == ["`gate.min_accuracy` 0.95 -> 0.99"]
    assert list(explain.differences(judged(0.9), judged(0.9, 0.8))) == ["`gate.metrics.macro_recall.min` none -> 0.8"]


def test_other_inputs_are_named() -> None:
    assert list(explain.differences(execution(examples=1), execution(examples=2))) == ["another `examples`"]


def test_the_same_twice_differs_in_nothing() -> None:
    assert list(explain.differences(execution(), execution())) == []


def test_long_values_are_cut() -> None:
    (change,) = explain.differences(execution(module="x" * 100), execution(module="y"))
    assert change == f"`module` {'x' * 37}... -> y"


def test_braces_that_are_no_json_are_a_value() -> None:
    assert list(explain.differences(execution(name="{a"), execution(name="{b"))) == ["`name` {a -> {b"]


@pytest.mark.parametrize("run_id", [None, "20200101-000000-abcd"])
def test_a_run_that_never_ended_is_refused(run_id: str | None, tmp_path: Path) -> None:
    (tmp_path / "runs" / "20200101-000000-abcd").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"A run of .* that came to its end is required\. Received: none so far\."):
        explain.explain(Workspace.open(tmp_path), run_id)
