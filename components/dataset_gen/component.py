"""DatasetGen: an ExampleGen that reads a TFDS data set through Beam."""

from google.protobuf import struct_pb2
from tfx.components.example_gen import component as example_gen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components import names
from components.dataset_gen import executor
from components.source import source_digest


class DatasetGen(example_gen.QueryBasedExampleGen):
    """Reads a data set and writes checked examples.

    Reads nothing from the graph. Writes `examples`: gzipped TFRecords of tf.Example in the splits train, validation and
    test, each with the encoded image, its label, and its size, channels and brightness as numbers. Fails when the data
    set is unknown or lacks a split. Its fingerprint (name, version, source) is an execution property, so unchanged data
    is cached.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, name: str, version: str, data_dir: str) -> None:
        """Declares the component.

        Args:
          name: A data set that TFDS knows, or `digits`.
          version: Its TFDS version, part of the cache key.
          data_dir: Where TFDS keeps prepared data.
        """
        splits = (names.TRAIN, names.VALIDATION, names.TEST)
        settings = struct_pb2.Struct()
        digest = source_digest("components.dataset_gen")
        settings.update({"name": name, "version": version, "data_dir": data_dir, names.SOURCE_DIGEST: digest})
        custom = example_gen_pb2.CustomConfig()
        custom.custom_config.Pack(settings)
        super().__init__(
            input_config=example_gen_pb2.Input(
                splits=[example_gen_pb2.Input.Split(name=split, pattern=split) for split in splits]
            ),
            custom_config=custom,
        )
