"""Reports of models that never were: evaluations of any number of classes, and what a Registrar gathers."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import models
from components.evaluation.facts import (
    Baseline,
    Bin,
    Check,
    ClassScore,
    Estimate,
    Evaluation,
    Mistake,
    Slice,
    Verdict,
)
from components.model_report.subject import Subject


@pytest.fixture(scope="session")
def picture():
    """Encodes noise as a small PNG."""

    def make(seed=0, shape=(8, 8)):
        content = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(content, "PNG")
        return content.getvalue()

    return make


def scores(confusion, class_names):
    counts = np.array(confusion)
    right, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = right / np.maximum(said, 1), right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(true + said, 1)
    rows = zip(class_names, true, precision, recall, f1, strict=True)
    return tuple(ClassScore(name=name, examples=int(n), precision=p, recall=r, f1=f) for name, n, p, r, f in rows)


def around(value, examples):
    half = 1.96 * np.sqrt(max(value * (1 - value), 0.001) / max(examples, 1))
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half))


@pytest.fixture(scope="session")
def evaluate(picture):
    """Makes an evaluation, its numbers in agreement with each other, of a model that is right now and then."""

    def make(class_names, accuracy=0.9, each=36, mistakes=12, baseline=None, blessed=True, image=(8, 8)):
        random, number = np.random.default_rng(len(class_names)), len(class_names)
        confusion = np.zeros((number, number), dtype=int)
        for row in range(number):
            kept = random.binomial(each, min(1.0, accuracy + 0.05 * random.normal())) if accuracy < 1 else each
            confusion[row, row] += kept
            others = (row + random.integers(1, min(number, 6), each - kept)) % number
            np.add.at(confusion[row], others, 1)
        examples = int(confusion.sum())
        right = np.trace(confusion) / examples
        metrics = {
            "accuracy": around(right, examples),
            "cross_entropy": Estimate(value=0.31, low=0.2, high=0.42),
            "macro_precision": Estimate(value=right),
            "macro_recall": Estimate(value=right),
            "macro_f1": Estimate(value=right - 0.004),
            "expected_calibration_error": Estimate(value=0.031, low=0.02, high=0.05),
        }
        by_class = [
            Slice(
                feature="class_name",
                name=name,
                examples=int(row.sum()),
                metrics={"accuracy": around(row[place] / max(row.sum(), 1), row.sum())},
            )
            for place, (name, row) in enumerate(zip(class_names, confusion, strict=True))
        ]
        by_brightness = [
            Slice(feature="brightness", name=name, examples=n, metrics={"accuracy": around(value, n)})
            for name, n, value in (
                ("dark", examples // 4, right - 0.12),
                ("medium", examples // 2, right),
                ("bright", examples // 4, min(1.0, right + 0.02)),
            )
        ]
        bins = tuple(
            Bin(low=low, high=low + 0.1, examples=n, confidence=low + 0.06, accuracy=min(1.0, low + 0.03 + n / 5000))
            for low, n in ((0.3, 4), (0.4, 9), (0.5, 18), (0.6, 25), (0.7, 40), (0.8, 64), (0.9, 200))
        )
        pairs = [(t, p) for t, p in np.argwhere(confusion) if t != p][:mistakes]
        wrong = tuple(
            Mistake(
                image=picture(place, image),
                class_name=class_names[true],
                predicted=class_names[said],
                probability=0.99 - place / 50,
                class_probability=0.005,
            )
            for place, (true, said) in enumerate(pairs)
        )
        check = Check(metric="accuracy", slice="", required="at least 0.8", value=right, room=0.08, passed=blessed)
        return Evaluation(
            examples=examples,
            metrics=metrics,
            classes=scores(confusion, class_names),
            confusion=tuple(map(tuple, confusion.tolist())),
            calibration=bins,
            slices=(*by_brightness, *by_class),
            mistakes=wrong,
            baseline=baseline,
            verdict=Verdict(blessed=blessed, reason="Accuracy 0.9 is at least 0.8.", checks=(check,)),
        )

    return make


@pytest.fixture
def facts():
    """Makes what the Registrar gathers of one model, before it is registered."""

    def make(architecture="lenet5", shape=(8, 8, 1), classes=10, epochs=30, form="small", **recipe):
        told = models.recipe(architecture, form, epochs=epochs, **recipe)
        steps = np.arange(1, epochs + 1)
        return {
            "model_name": f"digits_{architecture}",
            "dataset": "digits",
            "pipeline_run": "20261122-210453-1679",
            "sha256": "1b44cd22ce10f17a78a4e8412a03a099fb679d0be7069bb26e7dc35562bfc7cc",
            "size_bytes": 375749,
            "source_digest": "0123456789abcdef",
            "mlmd": {"execution": "10", "model": 8, "evaluation": 9},
            "code_version": "4c579bd0f2a5d1b2c3d4e5f60718293a4b5c6d7e",
            "data": {
                "source": "digits:1.0.0",
                "fingerprint": "c74589aa0078d96a11a45d64609bb4830afc9f1798e5e6f90398da35f8cb4f08",
                "span": 1,
                "splits": {"train": 1257, "validation": 180, "test": 360},
            },
            "training": {
                "architecture": models.describe(architecture, input_shape=shape, num_classes=classes, form=form),
                "form": form,
                "options": {},
                "recipe": dataclasses.asdict(told),
                "served_params": 61706,
                "tuned": {},
                "history": {
                    "loss": (2.2 / steps**0.7).tolist(),
                    "accuracy": (1 - 0.7 / steps**0.8).tolist(),
                    "val_loss": (2.0 / steps**0.6 + 0.004 * steps).tolist(),
                    "val_accuracy": (1 - 0.65 / steps**0.7).tolist(),
                },
                "train_seconds": 54.4,
                "devices": ["/device:CPU:0"],
                "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"},
            },
            "infra": {
                "engine": "embedded",
                "images": 32,
                "accuracy": 0.9375,
                "max_difference": 0.0,
                "latency_ms": {"p50": 1.8, "p90": 2.4, "p99": 3.9},
                "blessed": True,
                "message": "",
            },
            "blessed": True,
            "infra_blessed": True,
            "objections": [],
        }

    return make


@pytest.fixture
def subject(facts, evaluate):
    """Makes all that a report is about, of so many classes."""

    def make(classes=10, names=None, architecture="lenet5", evaluation=None, **told):
        named = names or [str(number) if classes <= 10 else f"class_{number:03d}" for number in range(classes)]
        known = facts(architecture=architecture, classes=len(named))
        return Subject({**known, **told}, evaluate(named, **(evaluation or {})))

    return make


@pytest.fixture(scope="session")
def baseline():
    """Returns a champion that is a little worse."""
    metrics = {"accuracy": Estimate(value=0.87), "cross_entropy": Estimate(value=0.4)}
    difference = Estimate(value=0.0106, low=-0.0102, high=0.0314)
    return Baseline(version=3, model_uri="/models/3", metrics=metrics, difference=difference)
