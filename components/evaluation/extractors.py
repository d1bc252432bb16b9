"""What TFMA extracts of each example; a module of its own, since TFX's Evaluator loads it anew."""

from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tfx_bsl.tfxio import tensor_adapter

from components import names
from components.evaluation.answers import Gathering

# Bounds of the slices (see `facts.SLICES`): mean brightness in [0, 1], and pixels of the shorter side.
BRIGHTNESS = (85 / 255, 170 / 255)
SIDE = (64, 256)


def custom_extractors(
    eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: tensor_adapter.TensorAdapterConfig
) -> list[tfma.extractors.Extractor]:
    """Returns TFMA's extractors, with ours before it cuts the examples into slices; TFX's Evaluator asks for it."""
    *before, cut = tfma.default_extractors(
        eval_shared_model=eval_shared_model, eval_config=eval_config, tensor_adapter_config=tensor_adapter_config
    )
    ours = tfma.extractors.Extractor("GatherAnswers", Gathering())
    named = tfma.extractors.Extractor("NameSlices", beam.Map(_named))
    return [*before, ours, named, cut]


def _named(extracts: dict[str, Any]) -> dict[str, Any]:
    """Puts the name of the slice in the place of what it is cut by."""
    found = extracts[tfma.FEATURES_KEY]
    side = min(found[names.HEIGHT].item(), found[names.WIDTH].item())
    brightness = found[names.BRIGHTNESS].item()
    place = {
        "brightness": ("dark", "medium", "bright")[np.searchsorted(BRIGHTNESS, brightness, side="right")],
        "size": ("small", "medium", "large")[np.searchsorted(SIDE, side, side="right")],
    }
    words = {feature: np.array([word.encode()]) for feature, word in place.items()}
    # Without the image: no metric needs it, and what is shuffled by slice is small.
    rest = {name: value for name, value in found.items() if name != names.IMAGE}
    return {**extracts, tfma.FEATURES_KEY: {**rest, **words}, tfma.INPUT_KEY: None}
