"""Publisher: puts a registered model into the model repository, under its registered number."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import artifacts, names
from components.publisher import executor
from components.source import source_digest


class PublisherSpec(component_spec.ComponentSpec):
    """Reads a registered model; writes a pushed model."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "repository": component_spec.ExecutionParameter(type=str),
        "history": component_spec.ExecutionParameter(type=str),
        "policy": component_spec.ExecutionParameter(type=str),
        "keep_versions": component_spec.ExecutionParameter(type=int),
        "tracking_uri": component_spec.ExecutionParameter(type=str),
        "server_file": component_spec.ExecutionParameter(type=str),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "registered_model": component_spec.ChannelParameter(type=artifacts.RegisteredModel)
    }
    OUTPUTS = {  # noqa: RUF012
        "pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }


class Publisher(base_component.BaseComponent):
    """Publishes a doubly blessed version and moves label and alias to it, as the policy says.

    TFX's Pusher copies file by file into the final folder, where a polling server can load half a model, and skips a
    folder that exists. This one stages, verifies and renames; the version is the registered one, the bytes are
    MLflow's. Label and alias move together, and the history says so (see `components.promotion`). Reads
    `registered_model`. Writes `pushed_model` with `pushed`, `pushed_version`, `pushed_destination`, and
    `publication.json`. Fails when the repository can't be written; nothing half-written is ever visible.
    """

    SPEC_CLASS = PublisherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        registered_model: BaseChannel,
        repository: str,
        history: str,
        policy: str,
        keep_versions: int,
        tracking_uri: str,
        server_file: str,
    ) -> None:
        """Declares the component.

        Args:
          registered_model: The Registrar's.
          repository: Root of the model repository.
          history: The folder of the histories of promotions.
          policy: `stable`: it goes live at once; `canary`: it waits as challenger; `manual`: it waits in MLflow alone.
          keep_versions: How many versions stay; one that a label or an alias points to always does.
          tracking_uri: MLflow's.
          server_file: Where a running server of this repository says where it listens (see `serving.running`).
        """
        spec = PublisherSpec(
            registered_model=registered_model,
            repository=repository,
            history=history,
            policy=policy,
            keep_versions=keep_versions,
            tracking_uri=tracking_uri,
            server_file=server_file,
            source_digest=source_digest(
                "components.publisher", "components.promotion", "serving.repository", "serving.labels"
            ),
            pushed_model=Channel(type=standard_artifacts.PushedModel),
        )
        super().__init__(spec)
