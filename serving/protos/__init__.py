"""TensorFlow Serving's messages without TensorFlow.

The modules of `tensorflow-serving-api` import all of TensorFlow, which takes seconds. The same messages are built here
from serialized descriptors in a pool of their own, so that a process that imports TensorFlow too meets no conflict.
"""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

DESCRIPTORS = Path(__file__).with_name("tensorflow_serving.binpb")


def _load() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.Add(file)
    return pool


POOL = _load()


def message(name: str) -> Any:
    """Returns the message class of this full name, e.g. `tensorflow.serving.PredictRequest`.

    Raises:
        KeyError: There is no such message among those of the two services.
    """
    return GetMessageClass(POOL.FindMessageTypeByName(name))


def service(name: str) -> Any:
    """Returns the service descriptor of this full name, e.g. `tensorflow.serving.PredictionService`.

    Raises:
        KeyError: There is no such service.
    """
    return POOL.FindServiceByName(name)
