"""The config: TOML into frozen models, checked once, at the edge.

Nothing here imports Keras or TFX, so a wrong config is refused in milliseconds.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pydantic
from pydantic import Field

import models
from models import Recipe
from pipeline import tuning
from pipeline.errors import UsageError
from pipeline.sections import Beam, Dataset, Gate, Publish, Runner, Section, Training, Tuner
from pipeline.values import KINDS, near, short

CONFIGS = Path(__file__).parent / "configs"
FORM = "form"
TUNE = "tune"


class Config(Section):
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
        while get_origin(section) is Annotated:
            section = get_args(section)[0]
        inside = get_origin(section) is dict
        section = get_args(section)[1] if inside else section.model_fields[str(table)].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
