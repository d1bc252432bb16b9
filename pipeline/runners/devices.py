"""Which GPUs there are, and how many a training has."""

import os
from typing import Literal

from pipeline.errors import UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible() -> tuple[str, ...]:
    """Lists the ids of the GPUs that TensorFlow can use, as `CUDA_VISIBLE_DEVICES` takes them."""
    import tensorflow as tf

    count = len(tf.config.list_physical_devices("GPU"))
    chosen = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return tuple(chosen[:count] or map(str, range(count)))


def share(wanted: int | Literal["auto"], gpus: int, trainings: int) -> int:
    """Says how many GPUs each training has.

    Args:
      wanted: `auto` divides them evenly, so that as many train at once as can: four of eight each for two networks, one
        each for a fleet.
      gpus: How many there are.
      trainings: How many networks there are to train.

    Raises:
      UsageError: So many aren't there.
    """
    if wanted == "auto":
        return max(1, gpus // trainings) if gpus else 0
    if wanted > gpus:
        raise UsageError(
            f"`training.devices` must be at most {gpus}, the GPUs that TensorFlow can use. Received: {wanted}; `auto` "
            "takes what there is, and `convoy doctor` says what is missing."
        )
    return wanted
