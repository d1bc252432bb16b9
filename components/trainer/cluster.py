"""Which processes train together, in the form that `tf.distribute` knows as TF_CONFIG.

A component doesn't look at the environment: whoever starts the Trainer's process tells it.
"""

import dataclasses
import json
from contextvars import ContextVar

VARIABLE = "TF_CONFIG"
JOBS = ("chief", "worker")  # In the order of their ranks; other jobs have no part in synchronous training.
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class ClusterError(ValueError):
    """TF_CONFIG doesn't say who trains with whom."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of one training, and which of them this process is.

    Attributes:
      addresses: `host:port` of each worker. The first is the chief's, who alone runs the pipeline.
      rank: Place of this process among them.
    """

    addresses: tuple[str, ...]
    rank: int

    @classmethod
    def parse(cls, text: str) -> "Cluster | None":
        """Reads what TF_CONFIG says; None where it names no second worker, or says nothing.

        Raises:
          ClusterError: It isn't JSON of that form, has jobs other than `chief` and `worker`, or a task not in them.
        """
        try:
            told = json.loads(text or "{}")
            jobs = {name: list(told["cluster"][name]) for name in told.get("cluster", {})}
            if sum(map(len, jobs.values())) < 2:
                return None
            places = [(job, index) for job in JOBS for index in range(len(jobs.get(job, [])))]
            rank = places.index((told["task"]["type"], int(told["task"]["index"])))
            if set(jobs) - set(JOBS):
                raise ValueError(f"jobs {sorted(jobs)}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClusterError(
                f"{VARIABLE} must name jobs among {', '.join(JOBS)}, and this task among them. Received: {text!r}; "
                f"such as {EXAMPLE}."
            ) from error
        return cls(tuple(jobs[job][index] for job, index in places), rank)

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that saves and exports."""
        return self.rank == 0

    @property
    def own_address(self) -> str:
        """The `host:port` of this process."""
        return self.addresses[self.rank]


_told: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


def tell(cluster: Cluster | None) -> None:
    """Has the trainings of this process be together with the others of a cluster."""
    _told.set(cluster)


def told() -> Cluster | None:
    """Returns the cluster that this process was told of; None for training alone."""
    return _told.get()
