"""What a model card says, section by section, in plain text: both forms of the card are made of it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.facts import METRICS, Check, Estimate
from components.model_report import asking
from components.model_report.limits import LETTERS, estimate, limits, ranked
from components.model_report.section import Section, Table
from components.model_report.subject import Subject, interval, part
from components.words import counted, cut, large
from models.recipes import Recipe
from models.registry import recipe

# What people call them.
NAMES = {
    "top_5_accuracy": "top-5 accuracy",
    "cross_entropy": "cross-entropy",
    "macro_f1": "macro F1",
}
# Fields of a recipe that are told even where they are as any recipe's.
ALWAYS = ("optimizer", "learning_rate", "epochs", "batch_size", "seed")
CLASSES, ROWS, SENTENCE = 20, 6, 300
CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}
ENGINES = {"tensorflow_model_server": "tensorflow_model_server", "embedded": "Convoy's own server"}
TRACES = {
    "sha256": "SHA-256",
    "code_version": "code: git commit",
    "source_digest": "digest of the training's source",
    "pipeline_run": "pipeline run",
    "run_id": "MLflow run",
    "model_id": "MLflow logged model",
}


def title(facts: Mapping[str, Any]) -> str:
    """Names the model, and its version where it has one already."""
    return f"{facts['model_name']}, version {facts['version']}" if "version" in facts else str(facts["model_name"])


def verdict(subject: Subject) -> tuple[str, ...]:
    """Says what it is, and whether it may go live."""
    facts, found = subject.facts, subject.evaluation.verdict
    known, infra = facts["training"]["architecture"], facts["infra"]
    served = "it served" if infra["blessed"] else f"it did not pass: {cut(_line(infra['message']), SENTENCE)}"
    return (
        f"{known['variant']}, trained on {facts['dataset']}.",
        f"{'Blessed' if found.blessed else 'Not blessed'} by the evaluation: {cut(_line(found.reason), SENTENCE)}",
        f"Infra validation: {served.rstrip('.')}.",
    )


def sections(subject: Subject) -> tuple[Section, ...]:
    """Makes all of them, in the order of the card."""
    made = (
        _use,
        _metrics,
        _gate,
        _limits,
        _slices,
        _mistakes,
        _data,
        _training,
        _architecture,
        asking.section,
        _provenance,
    )
    return tuple(make(subject) for make in made)


def _use(subject: Subject) -> Section:
    facts, classes = subject.facts, [cut(_line(one.name), LETTERS) for one in subject.evaluation.classes]
    height, width, channels = facts["training"]["architecture"]["input_shape"]
    more = f" and {len(classes) - CLASSES:,} more" if len(classes) > CLASSES else ""
    kind = CHANNELS.get(channels, f"{channels} channels")
    source = cut(facts["data"]["source"], 80)
    return Section(
        "Use",
        (
            f"Intended: to tell which of {len(classes):,} classes an image belongs to, for images like those of "
            f"{source}: {height}x{width} pixels, {kind}. An encoded image of another size is resized to that.",
            f"The classes: {', '.join(classes[:CLASSES])}{more}.",
            "Out of scope: images of anything else, since every answer is one of these classes and the probabilities "
            f"always sum to 1; and images from other sources, since it was tested on {source} alone.",
        ),
    )


def _metrics(subject: Subject) -> Section:
    evaluation, latency = subject.evaluation, subject.facts["infra"].get("latency_ms")
    baseline = evaluation.baseline
    champion = f"champion{f' (version {baseline.version})' if baseline and baseline.version else ''}"
    head = ("metric", "value", "95 % interval", *((champion, "difference") if baseline else ()))
    rows = [_metric(name, found, baseline.metrics if baseline else None) for name, found in evaluation.metrics.items()]
    sentences = [f"On {counted(evaluation.examples, 'test image', 'test images')} of {subject.facts['dataset']}."]
    if baseline:
        change = baseline.difference
        sentences.append(
            "The champion, the version that is live, was evaluated anew on the same images: the accuracy differs by "
            f"{estimate(change, 4)}."
        )
    else:
        sentences.append("There was no champion to compare it with.")
    if latency:
        sentences.append(
            f"One encoded image took {latency['p50']:.1f} ms over gRPC (median; p99 {latency['p99']:.1f} ms), of "
            f"{ENGINES[subject.facts['infra']['engine']]} on the machine that validated it."
        )
    return Section(
        "Metrics",
        tuple(sentences),
        table=Table(head, tuple(rows)),
        pictures=("confusion_matrix", "classes", "calibration"),
    )


def _metric(name: str, found: Estimate, champion: Mapping[str, Estimate] | None) -> tuple[str, ...]:
    known = interval(found)
    row = (_named(name), f"{found.value:.4f}", f"{known[0]:.4f} to {known[1]:.4f}" if known else "")
    if champion is None:
        return row
    if name not in champion:
        return (*row, "", "")
    change = found.value - champion[name].value
    better = (change > 0) == METRICS[name]
    word = ("better" if better else "worse") if round(change, 4) else "the same"
    return (*row, f"{champion[name].value:.4f}", f"{change:+.4f} ({word})" if round(change, 4) else word)


def _named(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))


def _gate(subject: Subject) -> Section:
    def row(check: Check) -> tuple[str, ...]:
        where = cut(_line(check.slice), LETTERS) or "all"
        champion = "" if check.baseline is None else f"{check.baseline:.4f}"
        came = "none" if check.value is None else f"{check.value:.4f}"
        return _named(check.metric), where, check.required, came, champion, "yes" if check.passed else "no"

    checks = sorted(subject.evaluation.verdict.checks, key=lambda check: check.passed)
    failed = sum(not check.passed for check in checks)
    rows = tuple(row(check) for check in checks[:ROWS])
    number = counted(len(checks), "threshold", "thresholds")
    whole = "it holds" if len(checks) == 1 else "all hold"
    held = f"{failed:,} {'does' if failed == 1 else 'do'} not hold" if failed else whole
    shown = f"; these are the first {ROWS}" if len(checks) > ROWS else ""
    return Section(
        "Gate",
        (f"{number}: {held}{shown}.",),
        table=Table(("metric", "on", "required", "came", "champion", "holds"), rows) if rows else None,
    )


def _limits(subject: Subject) -> Section:
    return Section("Limits", points=tuple(limits(subject)))


def _slices(subject: Subject) -> Section:
    rows = tuple(
        (
            part(one, LETTERS),
            f"{one.examples:,}",
            estimate(one.metrics["accuracy"]),
        )
        for one in ranked(subject, ROWS)
    )
    return Section("Slices", table=Table(("part of the test split", "images", "accuracy"), rows), pictures=("slices",))


def _mistakes(subject: Subject) -> Section:
    counts = subject.confusion
    wrong = int(counts.sum() - counts.trace())
    sentence = f"{wrong:,} of {counted(int(counts.sum()), 'test image', 'test images')} got a wrong class."
    return Section("Mistakes", (sentence,), pictures=("mistakes",))


def _data(subject: Subject) -> Section:
    data = subject.facts["data"]
    counts = ", ".join(f"{images:,} {split}" for split, images in data["splits"].items())
    return Section(
        "Data",
        (
            f"{cut(data['source'], 80)}, span {data['span']}: {counts} images in "
            f"{counted(len(subject.evaluation.classes), 'class', 'classes')}.",
            f"Fingerprint of the source: {data['fingerprint']}.",
        ),
    )


def _training(subject: Subject) -> Section:
    training = subject.facts["training"]
    known = training["architecture"]
    usual = dataclasses.asdict(recipe(known["name"], training["form"]))
    changed = {name: value for name, value in training["recipe"].items() if _plain(value) != _plain(usual[name])}
    unset = dataclasses.asdict(Recipe())
    rest = [
        f"{name} {_plain(value)}"
        for name, value in training["recipe"].items()
        if name not in changed and (_plain(value) != _plain(unset[name]) or name in ALWAYS)
    ]
    tuned = set(training["tuned"])
    rows = tuple(
        (name, _plain(value), _plain(usual[name]), "the search" if name in tuned else "the config")
        for name, value in changed.items()
    )
    epochs = len(training["history"]["loss"])
    devices = ", ".join(training["devices"])
    sentences = (
        f"{counted(epochs, 'epoch', 'epochs')} in {training['train_seconds']:.0f} s on {devices}.",
        "What differs from the network's own recipe is in the table." if rows else "By the network's own recipe.",
        f"{'The rest' if rows else 'That is'}: {', '.join(rest)}.",
    )
    table = Table(("field", "value", "its own", "by"), rows) if rows else None
    return Section("Training", sentences, table=table, pictures=("learning_curves",))


def _plain(value: object) -> str:
    """Writes a field of a recipe the same whether it went through JSON or not."""
    written = list(value) if isinstance(value, tuple | list) else value
    return f"{written:g}" if isinstance(written, float) else json.dumps(written).strip('"')


def _architecture(subject: Subject) -> Section:
    training = subject.facts["training"]
    known = training["architecture"]
    told = "".join(f", {name} {value}" for name, value in training["options"].items())
    return Section(
        "Architecture",
        (
            f"{known['name']}, {training['form']} form{told}: {known['params']:,} parameters, of which "
            f"{training['served_params']:,} are served, and {large(known['macs'])} multiply-accumulates an image.",
            f"Paper: {known['paper']}",
        ),
        pictures=("architecture",),
    )


def _provenance(subject: Subject) -> Section:
    facts = subject.facts
    versions = facts["training"]["versions"]
    rows = tuple((words, str(facts[key])) for key, words in TRACES.items() if key in facts)
    size = ("bytes", f"{facts['size_bytes']:,}")
    mlmd = ("MLMD", ", ".join(f"{what} {number}" for what, number in facts["mlmd"].items()))
    stack = (("TensorFlow", versions["tensorflow"]), ("Keras", versions["keras"]))
    return Section("Provenance", table=Table(("what", "which"), (*rows, mlmd, size, *stack)))


def _line(text: str) -> str:
    """Writes it in one line."""
    return " ".join(text.split())


def class_rows(subject: Subject) -> Sequence[tuple[str, ...]]:
    """Lists all classes, in the order of their numbers: number, name, test images, precision, recall, F1."""
    return [
        (str(number), one.name, f"{one.examples:,}", f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}")
        for number, one in enumerate(subject.evaluation.classes)
    ]
