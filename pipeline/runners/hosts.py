"""Which hosts train together: TF_CONFIG, read here and nowhere else."""

import os

from components.trainer.cluster import VARIABLE, Cluster, ClusterError
from pipeline.errors import UsageError


def cluster() -> Cluster | None:
    """Returns the workers that TF_CONFIG names; None where it names no second one.

    Raises:
      UsageError: It can't be read.
    """
    try:
        return Cluster.parse(os.environ.get(VARIABLE, ""))
    except ClusterError as error:
        raise UsageError(str(error)) from error


def require_chief() -> None:
    """Lets nobody run a pipeline but the first worker, where there are several.

    Raises:
      UsageError: TF_CONFIG says that this is another, or can't be read.
    """
    if (found := cluster()) is not None and not found.is_chief:
        raise UsageError(
            f"`convoy run` must be started as the first worker of {VARIABLE}. Received: worker {found.rank}, "
            f"{found.own_address}; use `convoy worker` here."
        )
