"""What MLflow's pages say in words: of a training, of a version, of a registered model. Markdown."""

import re
from collections.abc import Sequence
from typing import Any

from components import markdown
from components.registrar import view

# A picture in Markdown that lies beside the text: what it shows, and its file.
BESIDE = re.compile(r"!\[([^\]]*)\]\((?!\w+:)([^)]+)\)")
# Characters that MLflow keeps of a description.
LONGEST = 5_000
# The pictures that a description shows, in this order, where the report has them.
PICTURES = ("learning_curves.png", "confusion_matrix.png", "mistakes.png")


def verdict(facts: dict[str, Any], *, live: bool) -> str:
    """Says what people who open the version in MLflow's UI want to know first.

    Args:
      facts: With what this run objects to.
      live: Whether it is the champion: a run that judges it anew doesn't take back that an earlier one blessed it.
    """
    if facts["objections"]:
        told = f"Champion still; run {facts['pipeline_run']} would not bless it again" if live else "Withheld"
        return f"{told}: {'; '.join(facts['objections'])}"
    return "Blessed by the evaluation and by infra validation."


def of_model(facts: dict[str, Any]) -> str:
    """Describes a registered model, whatever its version."""
    known = facts["training"]["architecture"]
    return f"{known['variant']} on {facts['dataset']}. Paper: {known['paper']}"


def of_training(facts: dict[str, Any], experiment: str, files: Sequence[str] = ()) -> str:
    """Describes a child run: what came of it, in numbers, and where to read on.

    Args:
      facts: With the version.
      experiment: The id of MLflow's experiment.
      files: Of its report.
    """
    name, version, run = facts["model_name"], facts["version"], facts["run_id"]
    linked = f"[{name} version {version}](#/models/{name}/versions/{version})"
    parts = [
        f"**{linked}.** {verdict(facts, live=False)}",
        markdown.table(*_numbers(facts), gap=markdown.GAP),
        of_model(facts),
    ]
    report = [f"report/{file}" for file in files]
    parts += [" · ".join(f"[{path}]({view.artifact(experiment, run, path)})" for path in report)] * bool(report)
    parts += [f"![{file}]({view.picture(run, f'report/{file}')})" for file in PICTURES if file in files]
    return "\n\n".join(parts)


def card(verdict: str, text: str, run: str) -> str:
    """Describes a version by its card, below the verdict; pictures are those of the run's report."""
    shown = BESIDE.sub(lambda found: f"![{found[1]}]({view.picture(run, f'report/{found[2]}')})", text)
    told = f"{verdict}\n\n{shown}"
    return told if len(told) <= LONGEST else shown  # The card says the verdict as well.


def _numbers(facts: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    evaluation, infra, training = facts["evaluation"], facts["infra"], facts["training"]
    latency = infra.get("latency_ms", {}).get("p50")
    known = {
        "test accuracy": f"{evaluation['accuracy']:.4f}" if "accuracy" in evaluation else "-",
        "latency of one image": "-" if latency is None else f"{latency:.3g} ms",
        "parameters": f"{training['architecture']['params']:,}",
        "served files": f"{facts['size_bytes'] / 1e6:.3g} MB",
        "training": f"{training['train_seconds']:.0f} s",
    }
    return list(known), [list(known.values())]
