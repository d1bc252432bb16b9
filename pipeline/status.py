"""Does what MLflow, MLMD, the model repository and the running server say agree?"""

import collections
import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from components.promotion.journal import Journal
from pipeline import tables, tears
from pipeline.lineage import Lineage
from pipeline.workspace import Workspace
from serving import running
from serving.client import Client, ConvoyClientError, ModelNotFoundError
from serving.repository import Repository, RepositoryError

SHA256 = "sha256"
SERVER_TIMEOUT_S = 5.0


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """One version of a model.

    Attributes:
      labels: Of TF Serving, that point to it.
      aliases: Of MLflow, that point to it.
      sha256: What each place says: `mlflow`, `mlmd`, `repository`; None where it isn't known there.
      published: Whether it stands in the model repository.
      server: TF Serving's state name, or `off` where no server runs.
      problems: What doesn't agree, a sentence each.
      lineage: The way back to the examples, nearest execution first.
    """

    model: str
    version: int
    labels: list[str]
    aliases: list[str]
    sha256: dict[str, str | None]
    published: bool
    server: str
    problems: list[str]
    lineage: list[dict[str, Any]]


def check(workspace: Workspace) -> list[VersionStatus]:
    """Checks every version of every model of a workspace.

    Raises:
      ConvoyError: MLMD can't be read.
      RegistryError: MLflow can't be read.
      RepositoryError: The repository can't be read.
    """
    repository, lineage = Repository(workspace.repository), Lineage(workspace.metadata)
    registered = _registered(workspace)
    models = sorted({*repository.models(), *(model for model, _ in registered)})
    served = _served(running.find(workspace.server_file), models)
    places = _Places(repository, lineage, workspace.promotions, registered, served)
    return [found for model in models for found in places.check(model)]


@dataclasses.dataclass(frozen=True)
class _Places:
    """All that knows of versions; `served` is what the model server says of each model's."""

    repository: Repository
    lineage: Lineage
    promotions: Path
    registered: dict[tuple[str, int], dict[str, Any]]
    served: Mapping[str, "_States"]

    def check(self, model: str) -> list[VersionStatus]:
        """Checks every version of one model."""
        registered = {version: known for (name, version), known in self.registered.items() if name == model}
        versions = sorted({*self.repository.versions(model), *registered})
        torn = self._tears(model, registered, versions)
        return [
            self._version(model, version, self.served[model][version], torn.get(version, [])) for version in versions
        ]

    def _tears(
        self, model: str, registered: Mapping[int, dict[str, Any]], versions: Sequence[int]
    ) -> dict[int, list[str]]:
        """Finds where labels and aliases have come apart, by version; what MLflow doesn't know is said elsewhere."""
        if not registered:
            return {}
        aliases = {alias: version for version, known in registered.items() for alias in known["aliases"]}
        stopped = Journal(self.promotions, model).unfinished()
        by_version: dict[int, list[str]] = {}
        for version, tear in tears.found(model, self.repository.labels(model), aliases, stopped):
            by_version.setdefault(version if version in versions else versions[-1], []).append(tear)
        return by_version

    def _version(self, model: str, version: int, server: tuple[str, str], torn: list[str]) -> VersionStatus:
        published = version in self.repository.versions(model)
        registered = self.registered.get((model, version), {})
        hashes = {
            "mlflow": registered.get("sha256"),
            "mlmd": self.lineage.registered_sha256(model, version),
            "repository": _recorded(self.repository, model, version) if published else None,
        }
        state, failure = server
        problems = self.repository.verify(model, version) if published else []
        problems += torn
        problems += _disagreements(f"{model} version {version}", published, hashes)
        if failure:
            problems.append(f"{model} version {version} must load in the server. Received: {failure}")
        return VersionStatus(
            model,
            version,
            labels=sorted(label for label, at in self.repository.labels(model).items() if at == version),
            aliases=registered.get("aliases", []),
            sha256=hashes,
            published=published,
            server=state,
            problems=problems,
            lineage=self.lineage.ancestry(model, version),
        )


def _disagreements(subject: str, published: bool, hashes: dict[str, str | None]) -> list[str]:
    problems = []
    expected = hashes if published else {place: hashes[place] for place in ("mlflow", "mlmd")}
    missing = [place for place, value in expected.items() if value is None]
    if missing:
        problems.append(f"{subject} is not known to {' and '.join(missing)}.")
    if len({value for value in expected.values() if value}) > 1:
        told = ", ".join(f"{place} {value[:12]}" for place, value in expected.items() if value)
        problems.append(f"{subject} must have one SHA-256. Received: {told}.")
    return problems


def _recorded(repository: Repository, model: str, version: int) -> str | None:
    try:
        return repository.sha256(model, version)
    except RepositoryError:
        return None


def _registered(workspace: Workspace) -> dict[tuple[str, int], dict[str, Any]]:
    """Reads all versions that MLflow knows; none before the first run."""
    if not workspace.mlflow_exists:
        return {}
    from components.registrar import registry

    with registry.connected(workspace.tracking_uri) as client:
        aliases = registry.aliases(client)
        return {
            (found.name, int(found.version)): {
                "sha256": found.tags.get(SHA256),
                "aliases": sorted(alias for alias, at in aliases[found.name].items() if at == int(found.version)),
            }
            for found in client.search_model_versions()
        }


# Of each version: its state, and why the server could not load it.
_States = Mapping[int, tuple[str, str]]


def _served(target: str | None, models: Sequence[str]) -> dict[str, _States]:
    """Asks the server for the states of every model's versions; one that doesn't answer is asked once."""
    if target is None:
        return dict.fromkeys(models, _all("off"))
    found = dict.fromkeys(models, _all("unreachable"))
    with Client(target, timeout=SERVER_TIMEOUT_S) as client, contextlib.suppress(ConvoyClientError):
        for model in models:
            found[model] = _states(client, model)
    return found


def _states(client: Client, model: str) -> _States:
    try:
        found = client.status(model)
    except ModelNotFoundError:
        return _all("-")
    return collections.defaultdict(
        lambda: ("-", ""), {status.version: (status.state, status.error) for status in found}
    )


def _all(state: str) -> _States:
    return collections.defaultdict(lambda: (state, ""))


def table(versions: list[VersionStatus]) -> RenderableType:
    """Draws what was found, in 80 columns; the whole hashes and the lineage are in the JSON."""
    return tables.Fitted(lambda gap: _table(versions, gap))


def _table(versions: list[VersionStatus], gap: int) -> Table:
    columns = ("model", "version", "label", "alias", "sha256", "places", "server")
    drawn = tables.ruled(columns, folding=["label", "alias"], gap=gap)
    for found in versions:
        agree = Text("disagree", style="red") if found.problems else ("agree" if found.published else "unpublished")
        known = next((value for value in found.sha256.values() if value), "-")
        names = (", ".join(found.labels) or "-", ", ".join(found.aliases) or "-")
        drawn.add_row(found.model, f"v{found.version}", *names, known[:8], agree, found.server)
    return drawn
