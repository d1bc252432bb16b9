"""The work of DatasetGen: TFDS examples into tf.Examples, in Beam."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from google.protobuf import struct_pb2
from tfx.components.example_gen import base_example_gen_executor
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from components import names
from components.dataset_gen import sources


class Executor(base_example_gen_executor.BaseExampleGenExecutor):
    """Prepares the TFDS data set once, then reads each split with `tfds.beam`."""

    def GetInputSourceToExamplePTransform(self) -> Callable[..., beam.PCollection]:  # noqa: N802 -- TFX's name
        """Returns the transform from a split's name to its examples."""
        return _read_split  # type: ignore[no-any-return]


@beam.ptransform_fn
@beam.typehints.with_output_types(Any)
def _read_split(pipeline: beam.Pipeline, exec_properties: dict[str, Any], split_pattern: str) -> beam.PCollection:
    import tensorflow_datasets as tfds

    settings = _settings(exec_properties)
    dataset = sources.builder(settings["name"], settings["data_dir"])
    dataset.download_and_prepare()
    image_key, label_key = sources.feature_keys(dataset)
    class_names = dataset.info.features[label_key].names
    reader = tfds.beam.ReadFromTFDS(
        dataset,
        split=sources.split_instruction(dataset, split_pattern),
        # The encoded bytes pass through as they are: what was scanned is what is stored, checked and served.
        decoders={image_key: tfds.decode.SkipDecoding()},
    )
    return (
        pipeline
        | "ReadFromTFDS" >> reader
        | "AsNumpy" >> beam.Map(tfds.as_numpy)
        | "ToExample" >> beam.Map(lambda row: to_example(row[image_key], int(row[label_key]), class_names))
    )


def _settings(exec_properties: dict[str, Any]) -> dict[str, Any]:
    custom = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom)
    settings = struct_pb2.Struct()
    custom.custom_config.Unpack(settings)
    return dict(settings)


def to_example(encoded: bytes, label: int, class_names: Sequence[str]) -> Any:
    """Builds the tf.Example of one encoded image, with the facts that statistics and validation look at."""
    import tensorflow as tf
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(encoded)))
    height, width, *channels = pixels.shape
    ints = {
        names.LABEL: label,
        names.HEIGHT: height,
        names.WIDTH: width,
        names.CHANNELS: channels[0] if channels else 1,
    }
    feature = {key: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])) for key, value in ints.items()}
    texts = {names.IMAGE: encoded, names.CLASS_NAME: class_names[label].encode()}
    for key, text in texts.items():
        feature[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    feature[names.BRIGHTNESS] = tf.train.Feature(
        float_list=tf.train.FloatList(value=[float(pixels.mean(dtype=np.float64)) / 255])
    )
    return tf.train.Example(features=tf.train.Features(feature=feature))
