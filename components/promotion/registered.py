"""What MLflow knows of a model's versions: which there are, whether they are blessed, how they measure."""

import dataclasses
import difflib
from collections.abc import Iterable
from pathlib import Path

import mlflow

from components.promotion.errors import PromotionError, UnknownVersionError
from components.promotion.journal import ALIASES
from components.registrar import registry

# The groups of metrics that tell two versions apart.
METRICS = ("eval/", "serve/", "model/")


@dataclasses.dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
      sha256: Of its bytes.
      withheld_by: Who did not bless it: `evaluation`, `infra validation`; nobody where it is doubly blessed.
      metrics: By name, those of `METRICS`.
    """

    number: int
    sha256: str
    withheld_by: list[str]
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Model:
    """A registered model: its versions by number, and where its aliases point."""

    name: str
    versions: dict[int, Version]
    aliases: dict[str, int]

    def resolve(self, version: str) -> Version:
        """Finds a version by its number, or by an alias or a label.

        Raises:
          UnknownVersionError: There is none.
        """
        alias = ALIASES.get(version, version)
        number = int(version) if version.isdecimal() else self.aliases.get(alias)
        if number in self.versions:
            return self.versions[number]
        known = ", ".join(map(str, self.versions)) or "none"
        pointers = [*self.aliases, *(label for label, its in ALIASES.items() if its in self.aliases)]
        absent = alias in ALIASES.values() and not version.isdecimal()
        hint = f" `{self.name}` has no {alias}." if absent else _near(version, pointers)
        raise UnknownVersionError(
            f"VERSION must be one of `{self.name}`, by its number or alias. Received: {version!r}.{hint} "
            f"Its versions: {known}."
        )


def read(client: mlflow.MlflowClient, name: str) -> Model:
    """Reads a model.

    Raises:
      UnknownVersionError: MLflow knows none of this name.
    """
    aliases = registry.aliases(client)
    if name not in aliases:
        hint = _near(name, aliases) or " `convoy status` lists them."
        raise UnknownVersionError(f"MODEL must be a registered model. Received: {name!r}.{hint}")
    found = [_version(client, version) for version in client.search_model_versions(f"name = '{name}'")]
    versions = {version.number: version for version in sorted(found, key=lambda version: version.number)}
    return Model(name, versions, aliases[name])


def stored(name: str, version: int) -> Path:
    """Returns where MLflow's files of a version are, fetched from elsewhere if need be; MLflow is connected."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))


def _version(client: mlflow.MlflowClient, version: mlflow.entities.model_registry.ModelVersion) -> Version:
    tags = version.tags
    withheld = [
        by for by, tag in (("evaluation", "blessed"), ("infra validation", "infra_blessed")) if tags.get(tag) != "true"
    ]
    metrics = client.get_run(version.run_id).data.metrics if version.run_id else {}
    return Version(
        int(version.version),
        tags.get(registry.SHA256, ""),
        withheld,
        {key: value for key, value in sorted(metrics.items()) if key.startswith(METRICS)},
    )


def require_ours(name: str, version: Version) -> None:
    """Refuses a version without an identity: its bytes could not be told from others.

    Raises:
      PromotionError: It has none.
    """
    if not version.sha256:
        raise PromotionError(
            f"A version that `convoy run` registered is required. Received: `{name}` version {version.number}, "
            f"without the tag `{registry.SHA256}`; promote another."
        )


def _near(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
