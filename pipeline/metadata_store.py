"""MLMD's store, mended for PostgreSQL, into which ml-metadata 1.17 can't write a backslash.

It has PostgreSQL's library quote a text, cuts off the first and the last character, and puts quotes of its own around
the rest. Around a text with a backslash the library puts ` E'` and `'`, so `E'` stays inside, and the statement is
broken. TFX writes JSON within JSON, which is full of backslashes. So another character stands for them, from the part
of Unicode that belongs to nobody.
"""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from ml_metadata.metadata_store.metadata_store import MetadataStore
from tfx.orchestration import metadata

BACKSLASH, STAND_IN = "\\", "\uf05c"


class PostgresqlStore(MetadataStore):
    """Writes and reads a stand-in for every backslash."""

    def _pywrap_cc_call(self, method: Any, request: Message, response: Message) -> None:
        written = type(request)()
        written.CopyFrom(request)
        replace(written, BACKSLASH, STAND_IN)
        super()._pywrap_cc_call(method, written, response)
        replace(response, STAND_IN, BACKSLASH)


class PostgresqlMetadata(metadata.Metadata):
    """TFX's handle of MLMD, over that store."""

    def __enter__(self) -> "PostgresqlMetadata":
        super().__enter__()
        self._store = PostgresqlStore(self._connection_config)
        return self


def replace(message: Message, old: str, new: str) -> None:
    """Replaces a character in every text of a message, but for the keys of maps."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _replace_in_map(value, field.message_type.fields_by_name["value"], old, new)
        elif field.message_type is not None:
            for one in [value] if isinstance(value, Message) else value:
                replace(one, old, new)
        elif field.type == FieldDescriptor.TYPE_STRING and isinstance(value, str):
            setattr(message, field.name, value.replace(old, new))
        elif field.type == FieldDescriptor.TYPE_STRING:
            value[:] = [one.replace(old, new) for one in value]


def _replace_in_map(values: Any, kind: FieldDescriptor, old: str, new: str) -> None:
    for key in list(values):
        if kind.message_type is not None:
            replace(values[key], old, new)
        elif kind.type == FieldDescriptor.TYPE_STRING:
            values[key] = values[key].replace(old, new)
