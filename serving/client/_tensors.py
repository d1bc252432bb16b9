"""Arrays to `TensorProto` and back, without TensorFlow.

Numbers are sent as `tensor_content`, which costs one copy. Answers are read from it and from the typed fields alike:
TensorFlow Serving sends the latter unless told otherwise.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.client._errors import InvalidRequestError, ServerError
from serving.protos import message

TensorProto = message("tensorflow.TensorProto")


class _Kind(NamedTuple):
    number: int
    field: str
    wire: str = ""  # What the typed field holds, where that is not the dtype's own values.


_KINDS = {
    "float32": _Kind(1, "float_val"),
    "float64": _Kind(2, "double_val"),
    "int32": _Kind(3, "int_val"),
    "uint8": _Kind(4, "int_val"),
    "int16": _Kind(5, "int_val"),
    "int8": _Kind(6, "int_val"),
    "complex64": _Kind(8, "scomplex_val", "float32"),
    "int64": _Kind(9, "int64_val"),
    "bool": _Kind(10, "bool_val"),
    "uint16": _Kind(17, "int_val"),
    "complex128": _Kind(18, "dcomplex_val", "float64"),
    "float16": _Kind(19, "half_val", "uint16"),
    "uint32": _Kind(22, "uint32_val"),
    "uint64": _Kind(23, "uint64_val"),
}
_DTYPES = {kind.number: dtype for dtype, kind in _KINDS.items()}
_STRING, _BFLOAT16 = 7, 14


def encode(name: str, value: ArrayLike | Any) -> Any:
    """Returns an input as a `TensorProto`; `str` becomes UTF-8, numbers keep their dtype.

    Raises:
        InvalidRequestError: The value is no array of numbers, bools or strings.
    """
    try:
        array = np.asarray(value, dtype=object) if _holds_strings(value) else np.asarray(value)
    except ValueError as error:
        raise InvalidRequestError(f"Input {name!r} must be rectangular. Received: {error}. Pad its rows.") from error
    if array.dtype.kind in "OSU":
        return _encode_strings(name, array)
    if array.dtype.name not in _KINDS:
        raise InvalidRequestError(
            f"Input {name!r} must be numbers, bools or strings. Received: {array.dtype}. Convert it."
        )
    proto = TensorProto(dtype=_KINDS[array.dtype.name].number)
    proto.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return _shaped(proto, array.shape)


def decode(name: str, proto: Any) -> Any:
    """Returns an output as an array, or nested lists of bytes for strings; bfloat16 becomes float32, which holds it.

    Raises:
        ServerError: The values do not fill the shape, or have a type that has no numpy counterpart.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    try:
        if proto.dtype == _STRING:
            return _decode_strings(proto, shape)
        if proto.dtype == _BFLOAT16:
            bits = _values(proto, "uint16", "half_val", shape).astype(np.uint32)
            return (bits << 16).view(np.float32).reshape(shape)
        dtype = _DTYPES[proto.dtype]
        kind = _KINDS[dtype]
        wire = kind.wire or dtype
        return _values(proto, wire, kind.field, shape, dtype).reshape(shape)
    except (KeyError, ValueError, OverflowError, IndexError) as error:
        raise ServerError(
            f"Output {name!r} must be a tensor of shape {shape} that numpy can hold. Received: dtype {proto.dtype}, "
            f"{error}. Ask for other outputs."
        ) from error


def _holds_strings(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    # Without `object`, numpy would make fixed-width strings of them, and drop the zero bytes at their ends.
    return isinstance(value, (bytes, str))


def _encode_strings(name: str, array: NDArray[Any]) -> Any:
    proto = TensorProto(dtype=_STRING)
    for item in array.ravel().tolist():
        if not isinstance(item, (bytes, str)):
            raise InvalidRequestError(
                f"Input {name!r} must be all bytes or str. Received: {type(item).__name__}. Convert it."
            )
        proto.string_val.append(item.encode() if isinstance(item, str) else item)
    return _shaped(proto, array.shape)


def _shaped(proto: Any, shape: tuple[int, ...]) -> Any:
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def _decode_strings(proto: Any, shape: tuple[int, ...]) -> Any:
    array = np.empty(math.prod(shape), dtype=object)
    if proto.tensor_content:
        array[:] = _split(proto.tensor_content, array.size)
    else:
        array[:] = _filled(list(proto.string_val), array.size, b"")
    return array.reshape(shape).tolist()


def _split(content: bytes, count: int) -> list[bytes]:
    """Reads strings in TensorFlow's packed form: the length of each as a varint, then all their bytes."""
    lengths, position = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while content[position] & 0x80:
            length |= (content[position] & 0x7F) << shift
            position, shift = position + 1, shift + 7
        lengths.append(length | content[position] << shift)
        position += 1
    ends = [position + end for end in itertools.accumulate(lengths)]
    if len(content) != max(ends, default=position):
        raise ValueError(f"{len(content)} bytes for strings of {sum(lengths)}")
    return [content[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _values(proto: Any, wire: str, field: str, shape: tuple[int, ...], dtype: str = "") -> NDArray[Any]:
    """Returns the flat values of a numeric tensor, from whichever field has them."""
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, np.dtype(dtype or wire).newbyteorder("<")).astype(dtype or wire)
    typed = np.fromiter(getattr(proto, field), dtype=wire).view(dtype or wire)
    filled: NDArray[Any] = _filled(typed, math.prod(shape), 0)
    return filled


def _filled(values: Any, size: int, default: Any) -> Any:
    """Repeats the last value up to `size`, as TensorFlow does, which leaves out repetitions; nothing means zeros."""
    missing = size - len(values)
    if missing <= 0:
        return values
    last = values[-1] if len(values) else default
    if isinstance(values, list):
        return values + [last] * missing
    return np.concatenate([values, np.full(missing, last, dtype=values.dtype)])
