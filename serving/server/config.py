"""ModelServerConfig: reading its text form and refusing what TF Serving refuses, in its words (contract C1 to C4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.server.discovery import All, Latest, Policy, Specific
from serving.server.errors import Code, ServingError, invalid_argument

_PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelConfig:
    """One served model: where its versions lie, which of them to serve, and which labels point at them."""

    name: str
    base_path: Path
    policy: Policy
    labels: Mapping[str, int]


def from_options(name: str, base_path: str, config_file: str) -> model_server_config_pb2.ModelServerConfig:
    """Builds the first config from a file, or else from one model's name and base path (C4).

    Raises:
        ServingError: INVALID_ARGUMENT, there is neither, or the file cannot be read.
    """
    if config_file:
        return from_file(Path(config_file))
    if not base_path:
        message = "Both server_options.model_base_path and server_options.model_config_file are empty!"
        raise invalid_argument(message)
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=_PLATFORM)
    return config


def from_file(path: Path) -> model_server_config_pb2.ModelServerConfig:
    """Parses a text proto file.

    Raises:
        ServingError: INVALID_ARGUMENT, the file cannot be read or parsed (C1).
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except (OSError, ValueError, text_format.ParseError) as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error


def models(config: model_server_config_pb2.ModelServerConfig) -> dict[str, ModelConfig] | None:
    """Reads the models of a config; None for one that names no list at all.

    Raises:
        ServingError: INVALID_ARGUMENT, an entry is one that TF Serving refuses (C3).
    """
    kind = config.WhichOneof("config")
    if kind is None:
        return None
    if kind != "model_config_list":
        raise invalid_argument(f"`config` must be a model_config_list. Received: {kind}, which needs a custom loader.")
    found: dict[str, ModelConfig] = {}
    for entry in config.model_config_list.config:
        if entry.name in found:
            raise invalid_argument(f"Illegal to list model {entry.name} multiple times in config list")
        found[entry.name] = _model(entry)
    return found


def _model(entry: Any) -> ModelConfig:
    _check_platform(entry)
    if not Path(entry.base_path).is_absolute():
        text = f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
        raise invalid_argument(text)
    return ModelConfig(
        entry.name, Path(entry.base_path), _policy(entry.model_version_policy), dict(entry.version_labels)
    )


def _check_platform(entry: Any) -> None:
    deprecated = "ModelServerConfig::model_type (deprecated)"
    if entry.model_type and entry.model_platform:
        raise invalid_argument(f"Illegal setting both {deprecated} and ModelServerConfig::model_platform")
    if not entry.model_type and not entry.model_platform:
        raise invalid_argument(f"Illegal setting neither {deprecated} nor ModelServerConfig::model_platform")
    if entry.model_type:
        if entry.model_type != model_server_config_pb2.ModelType.TENSORFLOW:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"ModelServerConfig::model_type choice {entry.model_type} not supported"
            )
    elif entry.model_platform != _PLATFORM:
        raise invalid_argument(f"Model {entry.name} requests unsupported platform {entry.model_platform}")


def _policy(policy: Any) -> Policy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(tuple(policy.specific.versions))
        case _:  # unset is latest 1, and so is latest 0
            return Latest(max(1, policy.latest.num_versions))
