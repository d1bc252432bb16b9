"""When a trained model is stale: the digest of all that its training ran."""

import hashlib

import models
from components.source import source_digest, with_imports
from pipeline.config import Plan

# Whatever the architecture, a Trainer runs these; all else of `models` belongs to a family, or is data.
SHARED = ("components.trainer", "components.images", "models.registry", "models.inference", "models.macs")


def training(plan: Plan) -> str:
    """Digests what training one architecture runs: our trainer, its family's builder and what that is told.

    An edit anywhere else, such as to another family or another row, leaves the digest and so the trained model. The
    recipe isn't part of it: the resolved one is in the Trainer's `custom_config` already.
    """
    row = models.variant(plan.name)
    builder = with_imports(f"models.{row.family}", "models")
    told = f"{source_digest(*SHARED, *builder)}:{row.options}:{row.forms[plan.form]}:{row.tunable}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def tuning(plan: Plan) -> str:
    """Digests what the search of one architecture's recipe runs: every trial is a training."""
    return f"{training(plan)}:{source_digest('components.tuner')}"
