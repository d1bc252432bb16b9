"""Asks a model server the same questions through every signature, and measures how long one image takes."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from components import names
from components.infra_validator.requests import Question
from serving.client import Client, ConvoyClientError

TIMED_REQUESTS = 50


class ProbeError(RuntimeError):
    """The server refused a request, in its own words."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a server said.

    Attributes:
      probabilities: float32 [N, C] by signature, of the same N images.
      latency_ms: p50, p90 and p99 of single-image requests with encoded bytes.
    """

    probabilities: Mapping[str, np.ndarray]
    latency_ms: Mapping[str, float]


def ask(target: str, model_name: str, questions: list[Question]) -> Answers:
    """Asks every question through all three signatures.

    Raises:
      ProbeError: The server answered with an error.
    """
    try:
        with Client(target) as client:
            return Answers(_answers(client, model_name, questions), _latency(client, model_name, questions))
    except ConvoyClientError as error:
        raise ProbeError(str(error)) from error


def _answers(client: Client, model_name: str, questions: list[Question]) -> dict[str, np.ndarray]:
    sent: dict[str, dict[str, Any]] = {
        names.SERVING_DEFAULT: {"image_bytes": [question.encoded for question in questions]},
        names.PIXELS: {"images": np.stack([question.pixels for question in questions])},
        names.CLASSIFY: {"inputs": [question.example for question in questions]},
    }
    probabilities = {}
    for signature, inputs in sent.items():
        outputs = client.predict_raw(model_name, inputs, signature=signature)
        probabilities[signature] = np.asarray(outputs["scores" if signature == names.CLASSIFY else "probabilities"])
    return probabilities


def _latency(client: Client, model_name: str, questions: list[Question]) -> dict[str, float]:
    took = []
    for number in range(TIMED_REQUESTS):
        encoded = questions[number % len(questions)].encoded
        started = time.perf_counter()
        client.predict_raw(model_name, {"image_bytes": [encoded]}, signature=names.SERVING_DEFAULT)
        took.append((time.perf_counter() - started) * 1000)
    return {f"p{point}": float(np.percentile(took, point)) for point in (50, 90, 99)}
