"""`models.config`: the text proto that tells TensorFlow Serving what to serve, and under which labels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from google.protobuf import text_format

from serving.protos import POOL, message
from serving.repository import _files
from serving.repository._errors import RepositoryError

ModelServerConfig = message("tensorflow.serving.ModelServerConfig")

_HEADER = "# Which models are served; Convoy writes it anew at every publication, promotion and rollback.\n"


class ModelsConfig:
    """The content of one `models.config`; entries of models from elsewhere are kept as they are."""

    def __init__(self, path: Path, proto: Any) -> None:
        self._path = path
        self._proto = proto

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the file; a missing one is empty.

        Raises:
            RepositoryError: The file is not a `ModelServerConfig` in text form.
        """
        proto = ModelServerConfig()
        try:
            text_format.Parse(path.read_text(encoding="utf-8"), proto, descriptor_pool=POOL)
        except FileNotFoundError:
            pass
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise RepositoryError(
                f"`{path}` must be a ModelServerConfig in text form. Received: {error}. Mend or delete it."
            ) from error
        return cls(path, proto)

    def labels(self, model: str) -> dict[str, int]:
        """Returns the version that each label of a model points to."""
        return {label: version for entry in self._entries(model) for label, version in entry.version_labels.items()}

    def label(self, model: str, label: str, version: int | None) -> None:
        """Points a label to a version, or takes it away."""
        for entry in self._entries(model):
            entry.version_labels.pop(label, None)
            if version is not None:
                entry.version_labels[label] = version

    def serve(self, model: str, base_path: Path, versions: Iterable[int]) -> None:
        """Lists exactly these versions of a model, found under `base_path` (absolute: anything else is refused)."""
        entry = next(self._entries(model), None) or self._proto.model_config_list.config.add(name=model)
        entry.base_path = str(base_path)
        entry.model_platform = "tensorflow"
        del entry.model_version_policy.specific.versions[:]
        entry.model_version_policy.specific.versions.extend(versions)

    def write(self) -> None:
        """Replaces the file in one step, if anything changed."""
        text = _HEADER + text_format.MessageToString(self._proto, descriptor_pool=POOL)
        if not self._path.exists() or self._path.read_text(encoding="utf-8") != text:
            _files.write(self._path, text)

    def _entries(self, model: str) -> Any:
        return (entry for entry in self._proto.model_config_list.config if entry.name == model)
