"""SchemaImport: TFX's ImportSchemaGen, told of what is in the file."""

import hashlib
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen.import_schema_gen import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import Channel

from components import names

NEEDED = (names.IMAGE, names.LABEL)


class SchemaError(ValueError):
    """A schema that can't be used; the sentence says why."""


class SchemaImportSpec(component_spec.ComponentSpec):
    """Reads nothing from the graph; writes a schema."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares it so
        "schema_file": component_spec.ExecutionParameter(type=str),
        "schema_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {"schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}  # noqa: RUF012


class SchemaImport(base_component.BaseComponent):
    """Copies a curated `schema.pbtxt` into the graph.

    ImportSchemaGen's cache key has the file's path alone: an edited schema would change nothing. Writes `schema`. Fails
    when the file is gone.
    """

    SPEC_CLASS = SchemaImportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, schema_file: str) -> None:
        """Declares the component.

        Args:
          schema_file: A `Schema` of TensorFlow Metadata, in protobuf's text format.

        Raises:
          SchemaError: It isn't one, or lacks what Transform reads.
        """
        path = Path(schema_file).absolute()
        digest = hashlib.sha256(_checked(path)).hexdigest()[:16]
        super().__init__(
            SchemaImportSpec(
                schema_file=str(path), schema_digest=digest, schema=Channel(type=standard_artifacts.Schema)
            )
        )


def _checked(path: Path) -> bytes:
    """Reads a file that holds a schema with the features that training needs."""
    start = f"`{names.SCHEMA_KEY}` must be a schema in protobuf's text format. Received: {path}"
    try:
        content = path.read_bytes()
        schema = text_format.Parse(content, schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise SchemaError(f"{start}, where {' '.join(str(error).split()).rstrip('.')}.") from error
    described = {feature.name for feature in schema.feature}
    lacking = [f"`{name}`" for name in NEEDED if name not in described]
    if lacking:
        raise SchemaError(f"{start}, which has no feature {' and no feature '.join(lacking)}.")
    return content
