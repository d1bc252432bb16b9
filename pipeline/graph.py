"""The graph of one run: one data set, a branch for each architecture."""

import dataclasses
from typing import Any

# Not `tfx.v1`, which imports the client of a cloud as well: two seconds of every run.
from tfx.components import ExampleValidator, SchemaGen, StatisticsGen, Trainer, Transform, Tuner
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import artifacts, champion, image_statistics, names, previous_data, servers
from components.data_gate.component import DataGate
from components.data_report.component import DataReport
from components.dataset_gen import sources
from components.dataset_gen.component import DatasetGen
from components.dataset_gen.facts import DatasetFacts, Settings
from components.evaluation.component import Evaluator
from components.evaluation.facts import TOP
from components.infra_validator.component import InfraValidator
from components.promotion.journal import Journal
from components.publisher.component import Publisher
from components.registrar.component import Registrar
from components.schema_import.component import SchemaImport
from components.source import source_digest
from pipeline import digests, engines, metadata
from pipeline.config import Config, Plan
from pipeline.errors import UsageError
from pipeline.lineage import Lineage, Published
from pipeline.values import near
from pipeline.workspace import Workspace
from serving.repository import Repository


def build(config: Config, workspace: Workspace) -> Pipeline:
    """Builds the TFX pipeline of a config.

    Raises:
      DatasetError: The data set can't be used.
      SchemaError: The curated schema can't be used.
      UsageError: The gate is about a class that the data set doesn't have, or bounds what it has too few classes for.
      UsageError: Beam cannot do what `[beam] args` say.
    """
    settings = config.dataset.settings(workspace.datasets)
    data = _Data(config, settings, sources.opened(settings).facts, workspace)
    _require_classes(config, data.facts)
    branches = [node for name in config.architectures for node in _branch(config, config.plan(name), data, workspace)]
    return Pipeline(
        pipeline_name=config.dataset.title,
        pipeline_root=str(workspace.pipeline_root),
        components=[*data.nodes, *branches],
        enable_cache=True,
        metadata_connection_config=metadata.connection_config(workspace.metadata),
        beam_pipeline_args=engines.beam_args(config.beam.args),
    )


def _require_classes(config: Config, facts: DatasetFacts) -> None:
    for place in config.gate.slices:
        feature, _, name = place.partition("=")
        if feature == names.CLASS_NAME and name not in facts.class_names:
            raise UsageError(
                f"`gate.slices` must be about classes of the data set. Received: {name!r}, for {facts.source} with "
                f"{len(facts.class_names)} classes.{near(name, facts.class_names)}"
            )
    bounded = [config.gate.metrics, *config.gate.slices.values()]
    if len(facts.class_names) <= TOP and any(f"top_{TOP}_accuracy" in metrics for metrics in bounded):
        raise UsageError(
            f"A bound of `top_{TOP}_accuracy` must be for more than {TOP} classes, or it always holds. Received: "
            f"{facts.source} with {len(facts.class_names)}; take it out of `gate`."
        )


def model_name(dataset: str, architecture: str) -> str:
    """Names a model: `digits_lenet5`."""
    return f"{dataset}_{architecture}"


class _Data:
    """The part of the graph that all branches share: from the data set to transformed examples, past the gate."""

    def __init__(self, config: Config, settings: Settings, facts: DatasetFacts, workspace: Workspace) -> None:
        self.facts = facts
        spans = Lineage(workspace.metadata).spans(config.dataset.title)
        span = spans.get(facts.fingerprint, max(spans.values(), default=0) + 1)
        self.examples = DatasetGen(settings, facts.fingerprint, span)
        examples = self.examples.outputs["examples"]
        statistics = StatisticsGen(examples=examples, stats_options=image_statistics.options())
        self.schema = _schema(config, statistics)
        validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=self.schema.outputs["schema"])
        report = _data_report(config, self.examples, statistics, self.schema, validator)
        self.gate = DataGate(report.outputs["data_report"], statistics.outputs["statistics"])
        self.transform = transform(examples, self.schema.outputs["schema"], facts)
        self.transform.add_upstream_node(self.gate)
        checks: list[BaseNode] = [statistics, self.schema, validator, report, self.gate]
        self.nodes: list[BaseNode] = [self.examples, *checks, self.transform]


def _schema(config: Config, statistics: StatisticsGen) -> SchemaGen | SchemaImport:
    """Takes the curated schema, or infers one from the train split: an empty split would deprecate every feature."""
    if config.dataset.schema_file is not None:
        return SchemaImport(config.dataset.schema_file)
    return SchemaGen(statistics=statistics.outputs["statistics"], exclude_splits=[names.VALIDATION, names.TEST])


def _data_report(
    config: Config,
    examples: DatasetGen,
    statistics: StatisticsGen,
    schema: SchemaGen | SchemaImport,
    validator: ExampleValidator,
) -> DataReport:
    """Wires the report, and the data that it compares with: resolved among its inputs, as the baseline is."""
    previous = Resolver(
        strategy_class=previous_data.PreviousDataStrategy,
        **{
            previous_data.INGESTION: examples.outputs["ingestion"],
            previous_data.STATISTICS: Channel(
                type=standard_artifacts.ExampleStatistics, producer_component_id=statistics.id
            ),
            previous_data.BLESSING: Channel(type=artifacts.DataBlessing, producer_component_id=DataGate.__name__),
        },
    )
    return DataReport(
        examples=examples.outputs["examples"],
        ingestion=examples.outputs["ingestion"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        previous=previous.inputs[previous_data.STATISTICS],
        max_bad_fraction=config.dataset.max_bad_fraction,
        max_drift=config.dataset.max_drift,
    )


def transform(examples: BaseChannel, schema: BaseChannel, facts: DatasetFacts) -> Transform:
    """Makes the step that looks at all of the train split, and puts what it finds into train and validation."""
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="components.transform.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=[names.TRAIN], transform=[names.TRAIN, names.VALIDATION]),
        custom_config={
            "image_shape": list(facts.image_shape),
            names.SOURCE_DIGEST: source_digest("components.transform", "components.images"),
        },
        disable_statistics=True,  # StatisticsGen's are the same, of which the image is all but the whole cost.
    )


def _branch(config: Config, plan: Plan, data: _Data, workspace: Workspace) -> list[BaseNode]:
    """Wires one architecture: tune, train, evaluate against its own champion, try to serve, register, publish."""
    name = model_name(data.facts.name, plan.name)
    tuner = _tuner(config, plan, data) if plan.space else None
    trainer = _trainer(config, plan, data, tuner)
    evaluator = Evaluator(
        examples=data.examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=_baseline(trainer, name, plan.name, workspace),
        gate=config.gate.evaluation(),
        class_names=data.facts.class_names,
    ).with_id(f"Evaluator.{plan.name}")
    infra = InfraValidator(
        trainer.outputs["model"],
        data.examples.outputs["examples"],
        model_name=name,
        image_shape=data.facts.image_shape,
        max_latency_ms=config.gate.max_latency_ms,
    ).with_id(f"InfraValidator.{plan.name}")
    registrar = Registrar(
        model=trainer.outputs["model"],
        ingestion=data.examples.outputs["ingestion"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra.outputs["blessing"],
        tuner_results=tuner.outputs["tuner_results"] if tuner else None,
        model_name=name,
        dataset=data.facts.name,
        tracking_uri=servers.bare(workspace.tracking_uri),
        artifact_location=workspace.artifact_location,
        workspace=workspace.mark,
        training_digest=digests.training(plan),
    ).with_id(f"Registrar.{plan.name}")
    publisher = _publisher(config, registrar.outputs["registered_model"], name, workspace)
    branch = [trainer, evaluator, infra, registrar, publisher.with_id(f"Publisher.{plan.name}")]
    return [tuner, *branch] if tuner else branch


def _trainer(config: Config, plan: Plan, data: _Data, tuner: Tuner | None) -> Trainer:
    return Trainer(
        run_fn="components.trainer.run.run_fn",
        **_splits(data),
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        custom_config={**_training(config, plan, data), names.SOURCE_DIGEST: digests.training(plan)},
    ).with_id(f"Trainer.{plan.name}")


def _tuner(config: Config, plan: Plan, data: _Data) -> Tuner:
    return Tuner(
        tuner_fn="components.tuner.run.tuner_fn",
        **_splits(data),
        custom_config={
            **_training(config, plan, data),
            "tune": plan.space,
            "tuner": config.tuner.model_dump(),
            names.SOURCE_DIGEST: digests.tuning(plan),
        },
    ).with_id(f"Tuner.{plan.name}")


def _splits(data: _Data) -> dict[str, Any]:
    """What Trainer and Tuner learn from; neither sees the test split."""
    return {
        "examples": data.transform.outputs["transformed_examples"],
        "transform_graph": data.transform.outputs["transform_graph"],
        "train_args": trainer_pb2.TrainArgs(splits=[names.TRAIN]),
        "eval_args": trainer_pb2.EvalArgs(splits=[names.VALIDATION]),
    }


def _training(config: Config, plan: Plan, data: _Data) -> dict[str, Any]:
    """What decides how an architecture is trained, but for the source code."""
    return {
        "architecture": plan.name,
        "form": plan.form,
        "options": plan.options,
        "recipe": dataclasses.asdict(plan.recipe),
        "image_shape": list(data.facts.image_shape),
        "class_names": list(data.facts.class_names),
        "precision": config.training.precision,
        "xla": config.training.xla,
    }


def _baseline(trainer: Trainer, model: str, architecture: str, workspace: Workspace) -> BaseChannel:
    """Resolves the baseline among the Evaluator's inputs: as a node of the graph it would run anew every time.

    The channels are scoped by producer, or LeNet would be judged against DenseNet.
    """
    resolver = Resolver(
        strategy_class=champion.ChampionStrategy,
        config={
            "model_name": model,
            "tracking_uri": servers.bare(workspace.tracking_uri),
            "repository": str(workspace.repository),
        },
        **{
            champion.CANDIDATE: trainer.outputs["model"],
            champion.MODEL: Channel(type=standard_artifacts.Model, producer_component_id=trainer.id),
            champion.BLESSING: Channel(
                type=standard_artifacts.ModelBlessing, producer_component_id=f"Evaluator.{architecture}"
            ),
        },
    )
    return resolver.inputs[champion.MODEL]


def _publisher(config: Config, registered: BaseChannel, name: str, workspace: Workspace) -> Publisher:
    return Publisher(
        registered_model=registered,
        repository=str(workspace.repository),
        history=str(workspace.promotions),
        policy=config.publish.policy,
        keep_versions=config.publish.keep_versions,
        tracking_uri=servers.bare(workspace.tracking_uri),
        server_file=str(workspace.server_file),
    )


def damaged(config: Config, workspace: Workspace) -> list[str]:
    """Names the Publishers of models that are not in the repository as they were: their cache would be a lie."""
    published = Lineage(workspace.metadata).published()
    publishers = {f"Publisher.{name}": model_name(config.dataset.title, name) for name in config.architectures}
    repository = Repository(workspace.repository)
    return [
        node
        for node, model in publishers.items()
        if not _intact(repository, Journal(workspace.promotions, model), published.get(model))
    ]


def _intact(repository: Repository, history: Journal, published: Published | None) -> bool:
    """Tells whether what is live stands whole, and no promotion was stopped; without a history, as MLMD knows it."""
    if history.unfinished():
        return False
    pointing = repository.labels(history.model)
    needed = {label: pointing.get(label) for label in history.live()}
    if published and not needed:
        needed = {"": published.version if pointing else None}
    return all(version and not repository.verify(history.model, version) for version in needed.values())
