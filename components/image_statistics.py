"""What TFX's StatisticsGen is to make of images. `tfx` must be imported before TFDV (see the README)."""

from typing import Any

from components import names


def options() -> Any:
    """Returns TFDV's options: encoded images are bytes, of which only number and length are worth a statistic.

    As text, TFDV would look for the most frequent images, and keep a thousand of them in its result. The label stays a
    plain number: as a category, SchemaGen gives it a domain that ExampleValidator then calls an anomaly. The balance of
    the classes is in `class_name`.
    """
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    image = schema.feature.add(name=names.IMAGE, type=schema_pb2.BYTES)
    image.image_domain.SetInParent()
    return tfdv.StatsOptions(schema=schema)
