"""`convoy ui`: MLflow's own UI over a workspace, and the links at which to begin."""

import os
import sys

import click

from components import servers
from pipeline.serve import check_free
from pipeline.workspace import Workspace

# What MLflow's server says of its own start, by the hundred; what goes wrong it still says.
QUIET = {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated"}


def open_ui(workspace: Workspace, host: str, port: int) -> None:
    """Becomes MLflow's server; says before where each data set's networks are ranked. One that is there is named.

    Raises:
      RegistryError: MLflow's database can't be used.
      UsageError: The port is taken.
    """
    address, hint = f"http://{host}:{port}", " (Ctrl-C ends it)"
    if workspace.has_mlflow_server:
        address, hint = servers.bare(workspace.tracking_uri), ", a server of its own"
    else:
        check_free(host, port)
    links = _rankings(workspace)
    click.echo(f"MLflow UI at {address}{hint}")
    for dataset, link in links:
        click.echo(f"{dataset}, ranked: {address}/{link}")
    if workspace.has_mlflow_server:
        return
    command = [sys.executable, "-m", "mlflow", "ui", f"--host={host}", f"--port={port}"]
    # Not as a flag, which every user of the machine could read: the URI may have a password in it.
    stores = dict.fromkeys(("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI"), workspace.tracking_uri)
    environment = {**os.environ, **stores, **QUIET}
    command += [f"--default-artifact-root={workspace.artifact_location}", "--uvicorn-opts=--log-level=warning"]
    os.execve(sys.executable, command, environment)


def _rankings(workspace: Workspace) -> list[tuple[str, str]]:
    """Returns each data set, and the link below MLflow's address to the view that ranks its networks.

    Makes MLflow's database where there is none: MLflow would do so beside a run that does, table by table.
    """
    from components.registrar import connection, view

    with connection.connected(workspace.tracking_uri) as client:
        found = client.search_experiments(order_by=["name"])
    return [(one.name, view.ranking(one.experiment_id)) for one in found if view.KEPT in one.tags]
