"""The tables of a config: their keys, what each takes and means, and what it is where it is left out."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from components import names
from components.dataset_gen import facts
from components.evaluation.facts import METRICS, SLICES
from pipeline.values import near, short

FOLDERS = {"path", "data_dir", "manual_dir"}
SETTINGS = {field.name for field in dataclasses.fields(facts.Settings)}


class Section(pydantic.BaseModel):
    """A table of the config; an unknown key is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _schema_file(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise ValueError(f"`dataset.schema` must be a file. Received: {short(path)}, which isn't there.")
    return path


class Dataset(Section):
    """Which images to learn from."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*(/[A-Za-z0-9_.+-]+)?(:\d+\.\d+\.\d+)?$",
        description="A data set that TFDS knows, with config and version if need be (`cifar10:3.0.2`), or `digits`; or "
        "what to call what lies at `path`.",
    )
    path: str | None = Field(
        default=None, description="A folder of images, or of TFRecord files of tf.Example; of the current folder."
    )
    data_dir: str | None = Field(default=None, description="Where TFDS finds prepared data, or prepares them.")
    manual_dir: str | None = Field(
        default=None, description="Where archives lie that TFDS would download otherwise: then it needs no network."
    )
    image: str | None = Field(
        default=None, description="The feature with the encoded image, where several could be it."
    )
    label: str | None = Field(default=None, description="The feature with the class, where several could be it.")
    split: str | None = Field(default=None, description="The feature of TFRecords with the split, likewise.")
    image_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = Field(
        default=None,
        strict=False,
        description="Height and width that the networks get, pixels; needed where images have several sizes.",
    )
    channels: Literal[1, 3] | None = Field(
        default=None, description="Grey or colour; what most images are, unless told."
    )
    class_names: tuple[str, ...] | None = Field(
        default=None, strict=False, description="In the order of the labels, where TFRecords have only numbers."
    )
    max_bad_fraction: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Of all images, how many may be kept out as damaged; above it the run stops.",
    )
    max_drift: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="How far classes, brightness or sizes may move from the data before, 0 the same; above it the run "
        "stops. 1 for no limit.",
    )
    # pydantic's own models have a `schema` already.
    schema_file: Annotated[str | None, pydantic.AfterValidator(_schema_file)] = Field(
        default=None, alias="schema", description="A curated schema.pbtxt; inferred from the train split unless told."
    )

    @pydantic.model_validator(mode="after")
    def _places_exist(self) -> "Dataset":
        for key in sorted(FOLDERS):
            value = getattr(self, key)
            if value is not None and not Path(value).is_dir():
                raise ValueError(f"`dataset.{key}` must be a folder. Received: {value!r}.")
        if self.path is not None and (self.data_dir or self.manual_dir):
            raise ValueError(
                "`dataset.data_dir` and `dataset.manual_dir` are for data sets of TFDS, and must be left out where "
                f"`dataset.path` says what to read. Received: {self.data_dir or self.manual_dir!r}."
            )
        if self.path is not None and not self.name.isidentifier():
            raise ValueError(
                "`dataset.name` must be a word for models to be called after, where `dataset.path` says what to read. "
                f"Received: {self.name!r}."
            )
        return self

    @property
    def title(self) -> str:
        """What models and experiments are called after: `cifar10`."""
        return facts.title(self.name)

    def settings(self, work_dir: Path) -> facts.Settings:
        """Says where the data are, and how to read them.

        Args:
          work_dir: Where data are prepared, unless `data_dir` says it.
        """
        told = {key: value for key, value in self.model_dump().items() if value is not None and key in SETTINGS}
        for key in FOLDERS & told.keys():
            told[key] = str(Path(told[key]).absolute())
        return facts.Settings(work_dir=str(work_dir), **told)


def _devices(value: object) -> object:
    if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"`training.devices` must be 'auto' or a number of GPUs. Received: {short(value)}.")
    return value


class Training(Section):
    """What holds for every architecture; a field left out is as the architecture's own recipe says."""

    epochs: int | None = Field(default=None, description="Passes over the train split.")
    batch_size: int | None = Field(default=None, description="Images a step, over all devices.")
    learning_rate: float | None = Field(default=None, description="Peak step size.")
    seed: int | None = Field(default=None, description="Of the initial weights and the order of the images.")
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="auto",
        description="Of training; served is float32 always. auto: mixed_bfloat16 on a GPU, float32 elsewhere.",
    )
    xla: Literal["auto", True, False] = Field(
        default="auto", description="Whether XLA compiles the training step. auto: where one GPU trains."
    )
    devices: Annotated[Literal["auto"] | int, pydantic.BeforeValidator(_devices)] = Field(
        default="auto", description="GPUs that each training has. auto: those there are, divided evenly; else the CPU."
    )


class Threshold(Section):
    """Bounds of one metric."""

    min: float | None = Field(default=None, description="It must be at least this.")
    max: float | None = Field(default=None, description="It must be at most this.")
    max_regression: float | None = Field(
        default=None, ge=0, description="How much worse than the champion's it may be, absolute."
    )

    @pydantic.model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("A bound of the gate must be `min`, `max` or `max_regression`. Received: none of them.")
        return self


def _metrics(value: object) -> object:
    """Refuses metrics that there are not."""
    for name in value if isinstance(value, dict) else ():
        if name not in METRICS:
            raise ValueError(
                f"A metric of the gate must be one of {', '.join(METRICS)}. Received: {name!r}.{near(name, METRICS)}"
            )
    return value


def _overall(value: object) -> object:
    if isinstance(value, dict) and "accuracy" in value:
        raise ValueError(
            "`gate.metrics.accuracy` must be written as `gate.min_accuracy` and `gate.max_regression`. "
            f"Received: {short(value['accuracy'])}."
        )
    return _metrics(value)


def _slices(value: object) -> object:
    """Refuses slices that there are not; of classes, the data set will tell."""
    for place, metrics in value.items() if isinstance(value, dict) else ():
        feature, _, part = place.partition("=")
        parts = SLICES.get(feature)
        if parts is None or not part or (parts and part not in parts):
            known = [f"{name}={part}" for name, parts in SLICES.items() for part in parts or ["…"]]
            raise ValueError(
                f"A slice of the gate must be one of {', '.join(known)}. Received: {place!r}.{near(place, known)}"
            )
        _require_of_one_class(place, metrics)
    return value


def _require_of_one_class(place: str, metrics: object) -> None:
    macro = [name for name in metrics if name.startswith("macro_")] if isinstance(metrics, dict) else []
    if place.startswith(f"{names.CLASS_NAME}=") and macro:
        raise ValueError(
            f"A bound of one class must be of a metric that is not the mean over classes. Received: {macro[0]!r} for "
            f"{place!r}; its accuracy is the class's recall."
        )


Metrics = Annotated[dict[str, Threshold], pydantic.BeforeValidator(_metrics)]


class Gate(Section):
    """What a model must reach to be published."""

    min_accuracy: float = Field(default=0.9, ge=0, le=1, description="On the test split, a fraction.")
    max_regression: float = Field(
        default=0.005, ge=0, le=1, description="Against this architecture's champion, absolute."
    )
    max_latency_ms: float = Field(default=200.0, gt=0, description="Median for a single image, milliseconds.")
    metrics: Annotated[dict[str, Threshold], pydantic.BeforeValidator(_overall)] = Field(
        default={}, description="Bounds of other metrics than the accuracy, by name."
    )
    slices: Annotated[dict[str, Metrics], pydantic.BeforeValidator(_slices)] = Field(
        default={}, description="Bounds of metrics over a part of the test split, such as class_name=cat."
    )

    def evaluation(self) -> dict[str, Any]:
        """Returns what the Evaluator is told, in terms of JSON."""
        return self.model_dump(mode="json", exclude={"max_latency_ms"})


class Publish(Section):
    """How a blessed model goes live."""

    policy: Literal["stable", "canary", "manual"] = Field(
        default="stable",
        validation_alias=pydantic.AliasChoices("policy", "label"),
        description="stable: it goes live at once. canary: it waits as challenger. manual: it waits in MLflow alone. "
        "Also called `label`.",
    )
    keep_versions: int = Field(
        default=3,
        ge=1,
        description="Versions that stay in the model repository, beside those that a label or an alias points to.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _policy_has_one_name(cls, told: Any) -> Any:
        if isinstance(told, dict) and {"policy", "label"} <= told.keys():
            raise ValueError(
                "`publish.policy` must go without its other name, `publish.label`. Received: "
                f"{short(told['policy'])} and {short(told['label'])}."
            )
        return told


class Beam(Section):
    """Where data are processed."""

    args: tuple[str, ...] = Field(default=(), description="Options for Apache Beam, such as --runner=….", strict=False)


class Runner(Section):
    """What a step may take."""

    step_minutes: float | None = Field(
        default=None, gt=0, description="A step that takes longer is ended, and its branch with it."
    )
    retries: int = Field(
        default=2,
        ge=0,
        description="How often a step starts again that failed in passing: a connection lost, a database locked.",
    )


class Tuner(Section):
    """How an architecture with a `tune` table is searched."""

    trials: int = Field(default=8, ge=1, description="Trainings, each by another recipe of the search.")
    algorithm: Literal["random", "bayesian", "grid"] = Field(
        default="random",
        description="Of KerasTuner: any values; values near to good ones, after a third of the trials; all of them.",
    )
    epochs: int | None = Field(default=None, ge=1, description="Of a trial; the recipe's, unless told.")
