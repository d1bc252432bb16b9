"""What a client returns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.protos import POOL

_DATA_TYPES = POOL.FindEnumTypeByName("tensorflow.DataType").values_by_number


class Row(NamedTuple):
    """What the model makes of one image."""

    class_id: int
    class_name: str
    probability: float
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model makes of N images; iterates over the rows.

    Attributes:
        model: The model asked.
        version: The version that answered.
        class_id: int64 [N], the most probable class of each image.
        class_name: N names of those classes.
        probabilities: float32 [N, classes].
    """

    model: str
    version: int
    class_id: NDArray[np.int64]
    class_name: list[str]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.class_name)

    def __iter__(self) -> Iterator[Row]:
        for class_id, class_name, probabilities in zip(self.class_id, self.class_name, self.probabilities, strict=True):
            yield Row(int(class_id), class_name, float(probabilities[class_id]), probabilities)


@dataclass(frozen=True)
class VersionStatus:
    """Where a version stands.

    Attributes:
        version: Its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error: Why it ended, if it did not load.
    """

    version: int
    state: str
    error: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: `dtype` as TensorFlow names it, `shape` with None for any size; None for any rank."""

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """What one signature takes and gives."""

    method: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


@dataclass(frozen=True)
class Metadata:
    """The signatures of one version of a model."""

    model: str
    version: int
    signatures: Mapping[str, Signature]


def signatures(proto: Any) -> dict[str, Signature]:
    """Reads a `SignatureDefMap`."""
    return {
        name: Signature(signature.method_name, _tensors(signature.inputs), _tensors(signature.outputs))
        for name, signature in proto.signature_def.items()
    }


def _tensors(infos: Any) -> dict[str, TensorInfo]:
    return {name: TensorInfo(_dtype(info.dtype), _shape(info.tensor_shape)) for name, info in infos.items()}


def _dtype(number: int) -> str:
    known = _DATA_TYPES.get(number)
    return str(known.name.removeprefix("DT_").lower()) if known else str(number)


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape.unknown_rank else tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)
