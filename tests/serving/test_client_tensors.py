"""The client's tensors against TensorFlow's own readers and writers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2

from serving.client import InvalidRequestError, ServerError
from serving.client._tensors import TensorProto, decode, encode
from serving.server import tensors as server_tensors

REAL = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]
DTYPES = [*REAL, "complex64", "complex128"]
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
numbers = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))
strings = shapes.flatmap(lambda shape: hnp.arrays(object, shape, elements=st.binary(max_size=300), fill=st.nothing()))


def theirs(proto):
    return tensor_pb2.TensorProto.FromString(proto.SerializeToString())


def ours(proto):
    return TensorProto.FromString(proto.SerializeToString())


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()  # bit for bit, so that NaN equals itself


@settings(max_examples=150, deadline=None)
@given(numbers)
def test_numbers_come_back_as_they_went(array):
    assert_same(decode("x", encode("x", array)), array)


@settings(max_examples=150, deadline=None)
@given(numbers)
def test_tensorflow_reads_our_numbers(array):
    assert_same(tf.make_ndarray(theirs(encode("x", array))), array)


@settings(max_examples=150, deadline=None)
@given(numbers)
def test_we_read_the_servers_typed_fields_and_content(array):
    typed = server_tensors.encode(array)
    assert not typed.tensor_content
    assert_same(decode("x", ours(typed)), array)
    assert_same(decode("x", ours(tf.make_tensor_proto(array))), array)


@settings(max_examples=100, deadline=None)
@given(strings)
def test_strings_come_back_as_they_went(array):
    proto = encode("x", array)
    assert decode("x", proto) == array.tolist()
    assert tf.make_ndarray(theirs(proto)).tolist() == array.tolist()
    assert decode("x", ours(server_tensors.encode(array))) == array.tolist()


@settings(max_examples=100, deadline=None)
@given(strings)
def test_packed_strings_are_read_as_tensorflow_reads_them(array):
    items = array.ravel().tolist()
    proto = TensorProto(dtype=7, tensor_content=b"".join([*(varint(len(item)) for item in items), *items]))
    encode_shape(proto, array.shape)
    if items:
        parsed = np.asarray(tf.io.parse_tensor(proto.SerializeToString(), tf.string).numpy(), dtype=object)
        assert parsed.tolist() == array.tolist()
    assert decode("x", proto) == array.tolist()


def varint(number):
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def encode_shape(proto, shape):
    for size in shape:
        proto.tensor_shape.dim.add(size=size)


@pytest.mark.parametrize(("values", "expected"), [([1.5, 2.5], [1.5, 2.5, 2.5, 2.5]), ([], [0, 0, 0, 0])])
def test_left_out_values_repeat_the_last_one(values, expected):
    proto = TensorProto(dtype=1, float_val=values)
    encode_shape(proto, [4])
    assert decode("x", proto).tolist() == expected
    assert tf.make_ndarray(theirs(proto)).tolist() == expected


def test_bfloat16_is_read_as_float32():
    array = tf.constant([1.5, -2.0, float("inf")], tf.bfloat16)
    for proto in (ours(tf.make_tensor_proto(array)), ours(server_tensors.encode(array.numpy()))):
        decoded = decode("x", proto)
        assert decoded.dtype == np.float32
        assert decoded.tolist() == [1.5, -2.0, float("inf")]


def test_bytes_keep_their_zeros_at_the_end():
    assert decode("x", encode("x", [b"a\0\0", b"", b"b"])) == [b"a\0\0", b"", b"b"]
    assert decode("x", encode("x", b"a\0")) == b"a\0"
    assert decode("x", encode("x", ["é", "b"])) == ["é".encode(), b"b"]
    assert decode("x", encode("x", [[b"a"], [b"b"]])) == [[b"a"], [b"b"]]


def test_big_endian_and_strided_arrays_are_sent_in_order():
    array = np.arange(12, dtype=">i4").reshape(3, 4)[:, ::2]
    assert decode("x", encode("x", array)).tolist() == array.tolist()
    assert tf.make_ndarray(theirs(encode("x", array))).tolist() == array.tolist()


@pytest.mark.parametrize("value", [[[1], [1, 2]], [b"a", 1], None, {"a": 1}, np.array(["2026-01-01"], "datetime64[D]")])
def test_what_is_no_tensor_is_refused(value):
    with pytest.raises(InvalidRequestError, match="Input 'x' must be"):
        encode("x", value)


@pytest.mark.parametrize(
    "proto",
    [
        TensorProto(dtype=1, float_val=[1, 2]),
        TensorProto(dtype=1, tensor_content=b"abc"),
        TensorProto(dtype=20),
        TensorProto(dtype=7, string_val=[b"a", b"b"]),
        TensorProto(dtype=7, tensor_content=b"\x05ab"),
        TensorProto(dtype=7, tensor_content=b"\x85"),
        TensorProto(dtype=4, int_val=[300]),
    ],
)
def test_an_answer_that_is_no_tensor_is_the_servers_error(proto):
    with pytest.raises(ServerError, match=r"Output 'x' must be a tensor of shape \(\)"):
        decode("x", proto)
