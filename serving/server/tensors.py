"""TensorProto to numpy and back, in the fields that TF Serving reads and writes (contract P12, P20)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray
from tensorflow.core.framework import tensor_pb2, types_pb2

Array = NDArray[Any]

# A message of a few bytes may claim any shape and give one value to fill it with; past this it is refused.
_MAX_FILLED_BYTES = 1 << 30


class _Form(NamedTuple):
    """How one dtype lies in a TensorProto: in `field`, as `wire` values, which are or alias `dtype` ones."""

    field: str
    dtype: np.dtype[Any]
    wire: np.dtype[Any]
    bits: np.dtype[Any] | None = None  # for floats that travel as the integers of their bit patterns


def _form(field: str, dtype: DTypeLike, wire: DTypeLike | None = None, bits: DTypeLike | None = None) -> _Form:
    return _Form(field, np.dtype(dtype), np.dtype(wire or dtype), np.dtype(bits) if bits else None)


_FORMS: dict[int, _Form] = {
    types_pb2.DT_FLOAT: _form("float_val", np.float32),
    types_pb2.DT_DOUBLE: _form("double_val", np.float64),
    types_pb2.DT_HALF: _form("half_val", np.float16, np.int32, np.uint16),
    types_pb2.DT_BFLOAT16: _form("half_val", ml_dtypes.bfloat16, np.int32, np.uint16),
    types_pb2.DT_INT8: _form("int_val", np.int8, np.int32),
    types_pb2.DT_INT16: _form("int_val", np.int16, np.int32),
    types_pb2.DT_INT32: _form("int_val", np.int32),
    types_pb2.DT_UINT8: _form("int_val", np.uint8, np.int32),
    types_pb2.DT_UINT16: _form("int_val", np.uint16, np.int32),
    types_pb2.DT_INT64: _form("int64_val", np.int64),
    types_pb2.DT_UINT32: _form("uint32_val", np.uint32),
    types_pb2.DT_UINT64: _form("uint64_val", np.uint64),
    types_pb2.DT_BOOL: _form("bool_val", np.bool_),
    types_pb2.DT_COMPLEX64: _form("scomplex_val", np.complex64, np.float32),
    types_pb2.DT_COMPLEX128: _form("dcomplex_val", np.complex128, np.float64),
    types_pb2.DT_STRING: _form("string_val", np.object_),
}
_DTYPES: dict[np.dtype[Any], int] = {form.dtype: dtype for dtype, form in _FORMS.items()}
_INVALID: int = types_pb2.DT_INVALID


def dtype_of(array: Array) -> int:
    """Returns the DataType number of `array`; DT_INVALID for one that no TensorProto field holds."""
    return _DTYPES.get(array.dtype, _INVALID)


def dtype_name(dtype: int) -> str:
    """Returns a DataType's name as TensorFlow prints it, e.g. `float` for DT_FLOAT."""
    return str(types_pb2.DataType.Name(dtype)).removeprefix("DT_").lower()


def decode(proto: tensor_pb2.TensorProto) -> Array:
    """Reads a tensor from `tensor_content` or from its typed values.

    Fewer values than the shape holds: the last one is repeated; none: zeros or empty strings.

    Raises:
        ValueError: The dtype, the shape and the values do not make a tensor.
    """
    form = _FORMS.get(proto.dtype)
    if form is None:
        raise ValueError(f"dtype {proto.dtype} has no values")
    shape = _shape(proto)
    values = _content(proto, form) if proto.tensor_content else _typed(proto, form, math.prod(shape))
    return values.reshape(shape)


def _shape(proto: tensor_pb2.TensorProto) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the shape is not fully known")
    return shape


def _content(proto: tensor_pb2.TensorProto, form: _Form) -> Array:
    if form.dtype == np.object_:
        raise ValueError("strings have no tensor_content form")
    if form.dtype == np.bool_:
        return np.not_equal(np.frombuffer(proto.tensor_content, np.uint8), 0)
    return np.frombuffer(proto.tensor_content, form.dtype)


def _typed(proto: tensor_pb2.TensorProto, form: _Form, count: int) -> Array:
    values = _as_dtype(np.array(getattr(proto, form.field), form.wire), form)
    if len(values) > count:
        raise ValueError(f"{len(values)} values for {count} elements")
    if len(values) == count:
        return values
    if count * form.dtype.itemsize > _MAX_FILLED_BYTES:
        raise ValueError(f"{count} elements, most of them not in the message")
    filler = values[-1] if len(values) else b"" if form.dtype == np.object_ else form.dtype.type(0)
    filled = np.full(count, filler, form.dtype)
    filled[: len(values)] = values
    return filled


def _as_dtype(values: Array, form: _Form) -> Array:
    """Turns wire values into the dtype's own: by bits, by pairs of floats, or by a cast that wraps as C's does."""
    if form.bits is not None:
        return values.astype(form.bits).view(form.dtype)
    if form.dtype.kind == "c":
        return values.view(form.dtype)
    return values.astype(form.dtype, copy=False)


def encode(array: Array) -> tensor_pb2.TensorProto:
    """Writes a tensor into its typed field, every value of it and never `tensor_content`: clients read `float_val`.

    Raises:
        ValueError: No TensorProto field holds the array's dtype.
    """
    dtype = dtype_of(array)
    if dtype == _INVALID:
        raise ValueError(f"no TensorProto field holds values of dtype {array.dtype}")
    form = _FORMS[dtype]
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, form.field).extend(_wire_values(array, form).tolist())
    return proto


def _wire_values(array: Array, form: _Form) -> Array:
    values = np.ascontiguousarray(array).reshape(-1)
    if form.bits is not None:
        return values.view(form.bits)
    return values.view(form.wire) if form.dtype.kind == "c" else values
