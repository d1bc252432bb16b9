"""Does what MLflow, MLMD, the model repository and the running server say agree?"""

import dataclasses
from typing import Any

from rich.table import Table

from pipeline.lineage import Lineage
from pipeline.workspace import Workspace
from serving import running
from serving.client import Client, ConvoyClientError, ModelNotFoundError
from serving.repository import Repository, RepositoryError

SHA256 = "sha256"


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
      ConvoyError: MLflow or MLMD can't be read.
    """
    repository, lineage = Repository(workspace.repository), Lineage(workspace.metadata)
    registered = _registered(workspace)
    target = running.find(workspace.server_file)
    models = sorted({*repository.models(), *(model for model, _ in registered)})
    found = []
    for model in models:
        states = _server_states(target, model)
        versions = {*repository.versions(model), *(version for name, version in registered if name == model)}
        for version in sorted(versions):
            known = registered.get((model, version))
            found.append(_version(repository, lineage, model, version, known, states))
    return found


def _version(
    repository: Repository,
    lineage: Lineage,
    model: str,
    version: int,
    registered: dict[str, Any] | None,
    states: dict[int, str] | None,
) -> VersionStatus:
    published = version in repository.versions(model)
    hashes = {
        "mlflow": registered["sha256"] if registered else None,
        "mlmd": lineage.registered_sha256(model, version),
        "repository": _recorded(repository, model, version) if published else None,
    }
    server = "off" if states is None else states.get(version, "-")
    return VersionStatus(
        model,
        version,
        labels=sorted(label for label, at in repository.labels(model).items() if at == version),
        aliases=registered["aliases"] if registered else [],
        sha256=hashes,
        published=published,
        server=server,
        problems=_problems(repository, model, version, published, hashes),
        lineage=lineage.ancestry(model, version),
    )


def _problems(
    repository: Repository, model: str, version: int, published: bool, hashes: dict[str, str | None]
) -> list[str]:
    problems = repository.verify(model, version) if published else []
    expected = hashes if published else {place: hashes[place] for place in ("mlflow", "mlmd")}
    missing = [place for place, value in expected.items() if value is None]
    if missing:
        problems.append(f"{model} version {version} is not known to {' and '.join(missing)}.")
    if len({value for value in expected.values() if value}) > 1:
        told = ", ".join(f"{place} {value[:12]}" for place, value in expected.items() if value)
        problems.append(f"{model} version {version} must have one SHA-256. Received: {told}.")
    return problems


def _recorded(repository: Repository, model: str, version: int) -> str | None:
    try:
        return repository.sha256(model, version)
    except RepositoryError:
        return None


def _registered(workspace: Workspace) -> dict[tuple[str, int], dict[str, Any]]:
    """Reads all versions that MLflow knows; none before the first run."""
    from components.registrar import registry

    if not workspace.mlflow_exists:
        return {}
    with registry.connected(workspace.tracking_uri) as client:
        aliases = {model.name: model.aliases for model in client.search_registered_models()}
        return {
            (found.name, int(found.version)): {
                "sha256": found.tags.get(SHA256),
                "aliases": sorted(alias for alias, at in aliases[found.name].items() if str(at) == str(found.version)),
            }
            for found in client.search_model_versions()
        }


def _server_states(target: str | None, model: str) -> dict[int, str] | None:
    if target is None:
        return None
    try:
        with Client(target, timeout=5.0) as client:
            return {status.version: status.state for status in client.status(model)}
    except ModelNotFoundError:
        return {}
    except ConvoyClientError as error:
        return {0: f"unreachable: {error}"}


def table(versions: list[VersionStatus]) -> Table:
    """Draws what was found."""
    from rich import box

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("model", "version", "label", "alias", "sha256", "agree", "server"):
        drawn.add_column(column, justify="right" if column == "version" else "left")
    for found in versions:
        agree = "[red]no[/]" if found.problems else ("yes" if found.published else "not published")
        known = next((value for value in found.sha256.values() if value), "-")
        names = (", ".join(found.labels) or "-", ", ".join(found.aliases) or "-")
        drawn.add_row(found.model, str(found.version), *names, known[:12], agree, found.server)
    return drawn
