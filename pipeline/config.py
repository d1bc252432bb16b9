"""The config: TOML into frozen models, checked once, at the edge.

Nothing here imports Keras or TFX, so a wrong config is refused in milliseconds.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

import models
from components.dataset_gen import facts
from models import Recipe
from pipeline import tuning
from pipeline.errors import UsageError
from pipeline.values import KINDS, near, short

CONFIGS = Path(__file__).parent / "configs"
FORM = "form"
FOLDERS = {"path", "data_dir", "manual_dir"}
SETTINGS = {field.name for field in dataclasses.fields(facts.Settings)}
TUNE = "tune"


class _Section(pydantic.BaseModel):
    """A table of the config; an unknown key is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _schema_file(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise ValueError(f"`dataset.schema` must be a file. Received: {short(path)}, which isn't there.")
    return path


class Dataset(_Section):
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


class Training(_Section):
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


class Gate(_Section):
    """What a model must reach to be published."""

    min_accuracy: float = Field(default=0.9, ge=0, le=1, description="On the test split, a fraction.")
    max_regression: float = Field(
        default=0.005, ge=0, le=1, description="Against this architecture's champion, absolute."
    )
    max_latency_ms: float = Field(default=200.0, gt=0, description="Median for a single image, milliseconds.")


class Publish(_Section):
    """How a blessed model goes live."""

    label: Literal["stable", "canary"] = Field(default="stable", description="The label that moves to it.")
    keep_versions: int = Field(default=3, ge=1, description="Versions that stay in the model repository.")


class Beam(_Section):
    """Where data are processed."""

    args: tuple[str, ...] = Field(default=(), description="Options for Apache Beam, such as --runner=….", strict=False)


class Runner(_Section):
    """What a step may take."""

    step_minutes: float | None = Field(
        default=None, gt=0, description="A step that takes longer is ended, and its branch with it."
    )
    retries: int = Field(
        default=2,
        ge=0,
        description="How often a step starts again that failed in passing: a connection lost, a database locked.",
    )


class Tuner(_Section):
    """How an architecture with a `tune` table is searched."""

    trials: int = Field(default=8, ge=1, description="Trainings, each by another recipe of the search.")
    algorithm: Literal["random", "bayesian", "grid"] = Field(
        default="random",
        description="Of KerasTuner: any values; values near to good ones, after a third of the trials; all of them.",
    )
    epochs: int | None = Field(default=None, ge=1, description="Of a trial; the recipe's, unless told.")


class Config(_Section):
    """One pipeline: a data set, the architectures to train on it, and what is asked of them."""

    dataset: Dataset
    architectures: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=lambda: {name: {} for name in models.names()},
        description="By registered name; any recipe field, option of the architecture or `form` can be overridden, and "
        "`tune` says which recipe fields to search.",
    )
    training: Training = Training()
    gate: Gate = Gate()
    publish: Publish = Publish()
    beam: Beam = Beam()
    runner: Runner = Runner()
    tuner: Tuner = Tuner()

    @pydantic.model_validator(mode="after")
    def _plans_resolve(self) -> "Config":
        if not self.architectures:
            raise ValueError("`architectures` must name at least one. Received: none.")
        for name in self.architectures:
            try:
                self.plan(name)
            except models.UnknownArchitectureError as error:
                raise ValueError(f"{error} `convoy models` lists them.") from error
        return self

    def plan(self, name: str) -> "Plan":
        """Resolves what one architecture is trained as: its recipe, overridden by `[training]` and by its own table.

        Raises:
          ValueError: The name, a field or a value is wrong.
        """
        overrides = dict(self.architectures[name])
        row = models.variant(name)
        searched = overrides.pop(TUNE, None)
        for key, value in overrides.items():
            _check_override(name, key, value, row.tunable)
        form = overrides.pop(FORM, "small")
        options = {key: overrides.pop(key) for key in list(overrides) if key in row.tunable}
        shared = {key: value for key, value in self.training if key in Recipe.fields() and value is not None}
        try:
            recipe = models.recipe(name, form, **{**shared, **overrides})
        except ValueError as error:
            table = f"architectures.{name}" if self.architectures[name] else "training"
            raise ValueError(f"[{table}] {error}") from error
        return Plan(name, form, options, recipe, {} if searched is None else self._space(name, searched, recipe))

    def _space(self, name: str, searched: object, recipe: Recipe) -> tuning.Space:
        key = f"architectures.{name}.{TUNE}"
        found = tuning.space(key, searched, recipe)
        tuning.require_trials(key, found, recipe, self.tuner.epochs)
        if self.tuner.algorithm == "grid":
            tuning.require_grid(key, found, self.tuner.trials)
        return found


@dataclasses.dataclass(frozen=True)
class Plan:
    """One architecture with everything resolved.

    Attributes:
      name: As registered.
      form: `paper` or `small`.
      options: What the architecture's builder is told.
      recipe: How to train it; a search replaces some of its fields.
      space: What is searched, by field of the recipe; nothing where there is no search.
    """

    name: str
    form: str
    options: dict[str, Any]
    recipe: Recipe
    space: tuning.Space = dataclasses.field(default_factory=dict)


def _check_override(name: str, key: str, value: Any, options: Mapping[str, models.Range | models.Choice]) -> None:
    """Checks one field of an architecture's table; the range of a recipe's field is the recipe's to judge."""
    table = f"architectures.{name}"
    if key in options:
        _check_option(f"{table}.{key}", value, options[key])
        return
    defaults = {FORM: "small", **dataclasses.asdict(Recipe())}
    if key not in defaults:
        hint = near(key, [*options, *defaults, TUNE]) or f" `convoy models {name}` lists them."
        raise ValueError(f"There is no config key `{table}.{key}`.{hint}")
    kind, fits = KINDS[type(defaults[key])]
    if not fits(value):
        raise ValueError(f"`{table}.{key}` must be {kind}. Received: {short(value)}.")


def _check_option(key: str, value: Any, option: models.Range | models.Choice) -> None:
    if option.accepts(value):
        return
    words = [one for one in option.values if isinstance(one, str)] if isinstance(option, models.Choice) else []
    hint = near(value, words) if isinstance(value, str) else ""
    raise ValueError(f"`{key}` must be {option.rule()}. Received: {short(value)}.{hint}")


def load(config: str, overrides: Sequence[str] = (), architectures: Sequence[str] = ()) -> Config:
    """Reads and checks a config.

    Args:
      config: A TOML file, or the name of one that ships (`digits`).
      overrides: `key=value` pairs, such as `training.epochs=3`; the value in TOML.
      architectures: Train these alone.

    Raises:
      UsageError: It cannot be read, isn't TOML, or says something that cannot be.
    """
    path = find(config)
    content = _read(path)
    for override in overrides:
        _apply(content, override)
        table, _, rest = override.partition("=")[0].partition(".")
        name = rest.partition(".")[0]
        if architectures and table == "architectures" and name and name not in architectures:
            raise UsageError(
                f"--set must be about what --architectures names: {', '.join(architectures)}. Received: {override!r}."
            )
    return check(content, path.name, architectures)


def check(content: Mapping[str, Any], name: str, architectures: Sequence[str] = ()) -> Config:
    """Checks what a config says.

    Args:
      content: As read from TOML.
      name: What to call it in a refusal.
      architectures: Train these alone; each keeps its table.

    Raises:
      UsageError: It says something that cannot be.
    """
    known = content.get("architectures", {})
    if architectures and isinstance(known, Mapping):
        content = {**content, "architectures": {chosen: known.get(chosen, {}) for chosen in _registered(architectures)}}
    try:
        return Config.model_validate(content)
    except pydantic.ValidationError as error:
        raise UsageError(f"{name}: {_explain(error.errors()[0])}") from error


def _registered(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in models.names():
            raise UsageError(
                f"--architectures must name architectures. Received: {name!r}.{near(name, models.names())} "
                "`convoy models` lists them."
            )
    return names


def find(config: str) -> Path:
    """Finds a config: a file, or one that ships, by its name.

    Raises:
      UsageError: There is none; the sentence names the nearest that ships.
    """
    shipped = {path.stem: path for path in sorted(CONFIGS.glob("*.toml"))}
    path = Path(config)
    if path.is_file():
        return path
    if config in shipped:
        return shipped[config]
    hint = near(config, shipped) or f" Those that ship: {', '.join(shipped)}."
    raise UsageError(f"CONFIG must be a TOML file, or the name of a config that ships. Received: {config!r}.{hint}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} must be TOML. Received: {error}.") from error
    except OSError as error:
        raise UsageError(f"{path} must be readable. Received: {error.strerror}.") from error


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set must be KEY=VALUE, such as training.epochs=3. Received: {override!r}.")
    *tables, last = key.split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise UsageError(f"--set must name a field of a table. Received: {override!r}, where {table} is a value.")
    try:
        content[last] = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        content[last] = text  # A bare word is a string: --set publish.label=canary.


def _explain(error: Mapping[str, Any]) -> str:
    """Turns pydantic's first error into one sentence."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"There is no config key `{where}`.{near(str(error['loc'][-1]), _keys(error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"`{where}` is required. Received: nothing."
    if error["type"] in ("model_type", "dict_type", "mapping_type"):
        return f"`{where}` must be a table. Received: {short(error['input'])}."
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    _, _, rule = str(error["msg"]).partition(" should ")
    return f"`{where}` must {rule}. Received: {short(error['input'])}."


def _keys(tables: Sequence[str | int]) -> list[str]:
    section: Any = Config
    for table in tables:
        section = section.model_fields[str(table)].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
