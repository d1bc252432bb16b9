"""Writes `tensorflow_serving.binpb` anew from the installed package: `python -m serving.protos.generate`.

Imports all of TensorFlow, as the package's own modules do; nothing else here does.
"""

import contextlib
import importlib

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default

from serving.protos import DESCRIPTORS

SERVICES = ("prediction_service", "model_service")


def installed() -> FileDescriptorSet:
    """Returns both services and all that they depend on, dependencies first, as the installed package declares them."""
    for service in SERVICES:
        # Both modules stop half-way under protobuf 6, after they have registered their descriptors and before
        # they set options that nobody reads: https://github.com/tensorflow/serving/blob/2.19.1 still ships them so.
        with contextlib.suppress(AttributeError):
            importlib.import_module(f"tensorflow_serving.apis.{service}_pb2")
    found: dict[str, FileDescriptorProto] = {}
    for service in SERVICES:
        _collect(f"tensorflow_serving/apis/{service}.proto", found)
    return FileDescriptorSet(file=found.values())


def _collect(name: str, found: dict[str, FileDescriptorProto]) -> None:
    if name in found:
        return
    proto = FileDescriptorProto()
    Default().FindFileByName(name).CopyToProto(proto)
    for dependency in proto.dependency:
        _collect(dependency, found)
    found[name] = proto


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(installed().SerializeToString(deterministic=True))
