"""Registrar: makes a trained model a version in MLflow's registry."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import artifacts, model_report, names
from components.registrar import executor
from components.source import source_digest

# Modules that take part in its work.
READ = ("components.evaluation.facts", "components.ingestion", "components.markdown", "components.servers")


class RegistrarSpec(component_spec.ComponentSpec):
    """Reads a model and what was found out about it; writes a registered model."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "model_name": component_spec.ExecutionParameter(type=str),
        "dataset": component_spec.ExecutionParameter(type=str),
        "tracking_uri": component_spec.ExecutionParameter(type=str),
        "artifact_location": component_spec.ExecutionParameter(type=str),
        "workspace": component_spec.ExecutionParameter(type=str),
        "training_digest": component_spec.ExecutionParameter(type=str),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "ingestion": component_spec.ChannelParameter(type=artifacts.Ingestion),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
        "tuner_results": component_spec.ChannelParameter(type=standard_artifacts.TunerResults, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        "registered_model": component_spec.ChannelParameter(type=artifacts.RegisteredModel)
    }


class Registrar(base_component.BaseComponent):
    """Registers every trained model, blessed or not: the version's tags say which.

    Reads the trained model's run, the data it was made of, its evaluation, both blessings, the servable that infra
    validation tried, and what the trials of its search came to, where there was one. Writes `registered_model` with
    name, version and SHA-256, and `registration.json`, all that is known of the version. What MLflow stores is byte
    for byte what infra validation served. Running again after being killed finishes the same version. Fails when
    MLflow can't be reached: all that it needs is kept, so the next run registers the model.
    """

    SPEC_CLASS = RegistrarSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        model: BaseChannel,
        ingestion: BaseChannel,
        model_run: BaseChannel,
        evaluation: BaseChannel,
        model_blessing: BaseChannel,
        infra_blessing: BaseChannel,
        model_name: str,
        dataset: str,
        tracking_uri: str,
        artifact_location: str,
        workspace: str,
        training_digest: str,
        tuner_results: BaseChannel | None = None,
    ) -> None:
        """Declares the component.

        Args:
          model: The trained model.
          ingestion: What became of the images that it was trained and tested on.
          model_run: What the Trainer recorded.
          evaluation: What the Evaluator found out.
          model_blessing: Its verdict.
          infra_blessing: That of infra validation, with the servable.
          model_name: Of the registered model.
          dataset: Names the MLflow experiment.
          tracking_uri: Where MLflow is.
          artifact_location: Where a new experiment keeps its files; empty where MLflow's server knows.
          workspace: The mark by which MLflow knows who writes.
          training_digest: Of the source code that trained the model.
          tuner_results: What the trials of a search came to.
        """
        spec = RegistrarSpec(
            model=model,
            ingestion=ingestion,
            model_run=model_run,
            evaluation=evaluation,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            tuner_results=tuner_results,
            model_name=model_name,
            dataset=dataset,
            tracking_uri=tracking_uri,
            artifact_location=artifact_location,
            workspace=workspace,
            training_digest=training_digest,
            source_digest=source_digest("components.registrar", *READ, *model_report.MODULES),
            registered_model=Channel(type=artifacts.RegisteredModel),
        )
        super().__init__(spec)
