"""`convoy ui`: MLflow's own UI over a workspace, and the links at which to begin."""

import os
import sys

import click

from pipeline.serve import check_free
from pipeline.workspace import Workspace


def open_ui(workspace: Workspace, host: str, port: int) -> None:
    """Becomes MLflow's server; says before where each data set's networks are ranked.

    Raises:
      RegistryError: MLflow's database can't be used.
      UsageError: The port is taken.
    """
    check_free(host, port)
    links = _rankings(workspace)
    click.echo(f"MLflow UI at http://{host}:{port} (Ctrl-C ends it)")
    for dataset, link in links:
        click.echo(f"{dataset}, ranked: http://{host}:{port}/{link}")
    flags = {"backend-store-uri": workspace.tracking_uri, "host": host, "port": port}
    command = [sys.executable, "-m", "mlflow", "ui", *(f"--{name}={value}" for name, value in flags.items())]
    os.execv(sys.executable, [*command, f"--default-artifact-root={workspace.artifact_location}"])


def _rankings(workspace: Workspace) -> list[tuple[str, str]]:
    """Returns each data set, and the link below MLflow's address to the view that ranks its networks.

    Makes MLflow's database where there is none: MLflow would do so beside a run that does, table by table.
    """
    from components.registrar import connection, view

    with connection.connected(workspace.tracking_uri) as client:
        found = client.search_experiments(order_by=["name"])
    return [(one.name, view.ranking(one.experiment_id)) for one in found if view.KEPT in one.tags]
