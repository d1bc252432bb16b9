"""TFRecord files and tf.Examples without TensorFlow, whose import would cost every Beam worker seconds."""

import gzip
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from components.dataset_gen.errors import UnfitSourceError

# What is in them is compressed already; more than this costs time and wins nothing.
GZIP_LEVEL = 1
HELD_BYTES = 1 << 18
GZIP_MAGIC = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_KINDS = {"bytes_list": "BytesList", "float_list": "FloatList", "int64_list": "Int64List"}
Value = bytes | int | float


class Writer:
    """A file of gzipped records, as a context."""

    def __init__(self, path: Path) -> None:
        """Makes the file."""
        self._raw = path.open("wb")
        # The name and the time in gzip's header would make files differ that hold the same.
        self._file = gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
        self._held: list[bytes] = []
        self._size = 0

    def __enter__(self) -> "Writer":
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the file."""
        self._file.write(b"".join(self._held))
        self._file.close()
        self._raw.close()

    def write(self, record: bytes) -> None:
        """Adds a record."""
        self._held.append(framed(record))
        self._size += len(record)
        if self._size > HELD_BYTES:  # To compress record by record would take longer than to check the images.
            self._file.write(b"".join(self._held))
            self._held, self._size = [], 0


def framed(record: bytes) -> bytes:
    """Frames a record as TFRecord files have it: length, its checksum, the record, its checksum."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, _CRC.pack(_masked(length)), record, _CRC.pack(_masked(record))))


def read(path: Path) -> Iterator[bytes]:
    """Reads records, gzipped or not.

    Raises:
      UnfitSourceError: The file is torn or damaged; the sentence says after which record.
    """
    count = 0
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            file: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
            while head := file.read(12):
                yield _record(file, head)
                count += 1
    except (EOFError, OSError, ValueError, struct.error) as error:
        raise UnfitSourceError(
            f"TFRecord files that are whole are required. Received: {path}, damaged after {count:,} records "
            f"({error or 'it ends too soon'}); write it anew, or leave it out."
        ) from error


def _record(file: Any, head: bytes) -> bytes:
    (length,), (check,) = _LENGTH.unpack(head[:8]), _CRC.unpack(head[8:])
    if check != _masked(head[:8]):
        raise ValueError("a length has a wrong checksum")
    record: bytes = file.read(length)
    if _CRC.unpack(file.read(4)) != (_masked(record),) or len(record) != length:
        raise ValueError("a record has a wrong checksum")
    return record


def _masked(content: bytes) -> int:
    crc: int = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def example(features: Mapping[str, Value]) -> bytes:
    """Serializes a tf.Example of one value a feature: the same features, the same bytes."""
    message = Example()
    found = message.features.feature
    for key, value in features.items():
        kind = "int64_list" if isinstance(value, int) else "float_list" if isinstance(value, float) else "bytes_list"
        getattr(found[key], kind).value.append(value)
    return message.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def features(record: bytes) -> dict[str, list[Value]]:
    """Parses a tf.Example into lists of values by feature.

    Raises:
      google.protobuf.message.DecodeError: It is none.
    """
    found = Example.FromString(record).features.feature
    return {key: list(getattr(found[key], found[key].WhichOneof("kind") or "bytes_list").value) for key in found}


def _example_class() -> Any:
    """Builds tf.Example's messages in a pool of their own; TensorFlow's would clash with equal names."""
    # https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="convoy/example.proto", package="tensorflow", syntax="proto3")

    def add(parent: Any, name: str, kind: int | str, *, repeated: bool = False) -> Any:
        label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        of = (
            {"type": kind}
            if isinstance(kind, int)
            else {"type": field.TYPE_MESSAGE, "type_name": f".tensorflow.{kind}"}
        )
        return parent.field.add(name=name, number=len(parent.field) + 1, label=label, **of)

    kinds = {"BytesList": field.TYPE_BYTES, "FloatList": field.TYPE_FLOAT, "Int64List": field.TYPE_INT64}
    for name, kind in kinds.items():
        add(file.message_type.add(name=name), "value", kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for key, name in _KINDS.items():
        add(feature, key, name).oneof_index = 0
    holder = file.message_type.add(name="Features")
    entry = holder.nested_type.add(name="FeatureEntry", options={"map_entry": True})
    add(entry, "key", field.TYPE_STRING)
    add(entry, "value", "Feature")
    add(holder, "feature", "Features.FeatureEntry", repeated=True)
    add(file.message_type.add(name="Example"), "features", "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


Example = _example_class()
