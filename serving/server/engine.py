"""One SavedModel in a TF1 session: the executor, signatures and error texts of TF Serving (contract W13)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.client import pywrap_tf_session

from serving.server import tensors
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.tensors import Array

_FILES = ("saved_model.pb", "saved_model.pbtxt")
_LONGEST_TIMEOUT = 24 * 3600.0  # seconds; a deadline further away bounds nothing


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature: its alias, its tensor in the graph, and what the signature promises of it."""

    alias: str
    name: str
    dtype: int
    shape: tuple[int, ...] | None  # -1: any size; None: any rank

    def __str__(self) -> str:
        return shape_text(self.shape)


@dataclass(frozen=True)
class Signature:
    """One signature; inputs and outputs by alias, in sorted order."""

    name: str
    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: Mapping[str, Array]


class SavedModel:
    """A loaded SavedModel. `run` is thread safe."""

    def __init__(
        self, session: tf.compat.v1.Session, signature_defs: Mapping[str, meta_graph_pb2.SignatureDef]
    ) -> None:
        self._session = session
        self._endpoints: dict[str, Any] = {}
        self.signature_defs = signature_defs
        self.signatures = {name: _signature(name, definition) for name, definition in signature_defs.items()}

    @classmethod
    def load(cls, path: Path, tags: Sequence[str] = ("serve",)) -> SavedModel:
        """Loads the SavedModel in the directory `path`: graph, variables, assets, initialisers.

        Raises:
            ServingError: NOT_FOUND without a saved_model file or such tags, DATA_LOSS for an unreadable one (R24, R25).
        """
        if not any((path / name).exists() for name in _FILES):
            message = f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}"
            raise ServingError(Code.NOT_FOUND, message)
        graph = tf.Graph()
        config = config_pb2.ConfigProto(gpu_options=config_pb2.GPUOptions(allow_growth=True))
        session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            meta_graph = _restore(session, path, tags)
            session.make_callable([])  # has the session take in the whole graph, also one that restored nothing
            return cls(session, dict(meta_graph.signature_def))
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """Frees the session and its variables; a run still going ends as CANCELLED, and none may follow."""
        self._session.close()

    def run(
        self, inputs: Sequence[tuple[TensorSpec, Array]], outputs: Sequence[TensorSpec], timeout: float | None = None
    ) -> list[Array]:
        """Runs the graph from `inputs` to `outputs`, in at most `timeout` seconds.

        Raises:
            ServingError: The inputs break the signature, the graph fails on them, or the time is up.
        """
        _check_dtypes(inputs)
        for spec, array in inputs:
            _check_shape(spec, array)
        feeds = {self._endpoint(spec): array for spec, array in inputs}
        fetches = [self._endpoint(spec) for spec in outputs]
        with _op_errors(), _run_options(timeout) as options:
            fetched = pywrap_tf_session.TF_SessionRun_wrapper(self._session._session, options, feeds, fetches, [], None)
        return [_as_array(value) for value in fetched]

    def _endpoint(self, spec: TensorSpec) -> Any:
        endpoint = self._endpoints.get(spec.name)
        if endpoint is None:
            try:
                endpoint = self._session.graph.get_tensor_by_name(spec.name)._as_tf_output()
            except (KeyError, ValueError) as error:
                message = f"Tensor {spec.name} (alias {spec.alias}) was not found in the graph"
                raise invalid_argument(message) from error
            self._endpoints[spec.name] = endpoint
        return endpoint


def shape_text(shape: Sequence[int] | None) -> str:
    """Writes a shape as TensorFlow does: `[?,28,28,1]`, or `<unknown>` where any rank will do."""
    if shape is None:
        return "<unknown>"
    return "[" + ",".join("?" if size < 0 else str(size) for size in shape) + "]"


def _restore(session: tf.compat.v1.Session, path: Path, tags: Sequence[str]) -> meta_graph_pb2.MetaGraphDef:
    """Loads into the session; gives the Python loader's exceptions the codes of the C++ one."""
    try:
        with _op_errors():
            return tf.compat.v1.saved_model.loader.load(session, list(tags), str(path))
    except OSError as error:
        raise ServingError(Code.DATA_LOSS, f"Can't parse {path}: {error}") from error
    except RuntimeError as error:
        raise ServingError(Code.NOT_FOUND, str(error)) from error
    except ValueError as error:  # a missing or half-copied variables directory among them
        raise ServingError(Code.DATA_LOSS, f"Can't load {path}: {error}") from error


def _signature(name: str, definition: meta_graph_pb2.SignatureDef) -> Signature:
    return Signature(
        name=name,
        method_name=definition.method_name,
        inputs={alias: _spec(alias, definition.inputs[alias]) for alias in sorted(definition.inputs)},
        outputs={alias: _spec(alias, definition.outputs[alias]) for alias in sorted(definition.outputs)},
        defaults={alias: tensors.decode(definition.defaults[alias]) for alias in sorted(definition.defaults)},
    )


def _spec(alias: str, info: meta_graph_pb2.TensorInfo) -> TensorSpec:
    shape = None if info.tensor_shape.unknown_rank else tuple(dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(alias, info.name, info.dtype, shape)


def _check_dtypes(inputs: Sequence[tuple[TensorSpec, Array]]) -> None:
    """Refuses another dtype in the executor's own words, before numpy or the session can cast it (P16)."""
    for index, (spec, array) in enumerate(inputs):
        given = tensors.dtype_of(array)
        if given != spec.dtype:
            expected, provided = tensors.dtype_name(spec.dtype), tensors.dtype_name(given)
            raise invalid_argument(f"Expects arg[{index}] to be {expected} but {provided} is provided")


def _check_shape(spec: TensorSpec, array: Array) -> None:
    """Refuses a rank or fixed size that the signature rules out (P18): some kernels abort the process on one (W14)."""
    if spec.shape is None:
        return
    fits = len(spec.shape) == array.ndim and all(
        size in (-1, given) for size, given in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise invalid_argument(f"Input `{spec.alias}` must have shape {spec}. Received: {shape_text(array.shape)}.")


def _as_array(value: Any) -> Array:
    """Gives scalars, which the session returns bare, the form of arrays."""
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)


@contextlib.contextmanager
def _op_errors() -> Iterator[None]:
    """Turns TensorFlow's errors into ours, code for code."""
    try:
        yield
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from error


@contextlib.contextmanager
def _run_options(timeout: float | None) -> Iterator[Any]:
    """Lends a RunOptions buffer that bounds the run (W10); None where nothing bounds it."""
    if timeout is None or timeout > _LONGEST_TIMEOUT:
        yield None
        return
    if timeout <= 0:
        raise ServingError(Code.DEADLINE_EXCEEDED, "The request's deadline passed before its run began")
    options = config_pb2.RunOptions(timeout_in_ms=max(1, int(timeout * 1000)))
    buffer = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
    try:
        yield buffer
    finally:
        pywrap_tf_session.TF_DeleteBuffer(buffer)
