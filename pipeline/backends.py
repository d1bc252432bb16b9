"""Where MLflow and MLMD are, if not in the workspace: `backends.toml` in it says so, or the environment.

A file of the workspace, and no part of a config: every verb knows its workspace, and only `run` a config.
"""

import dataclasses
import importlib.util
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from components import servers
from pipeline.errors import UsageError
from pipeline.values import near

FILE = "backends.toml"
# The variables that go before the file, by its keys.
VARIABLES = {"mlflow": "CONVOY_MLFLOW", "metadata": "CONVOY_METADATA"}
# By key: the schemes of the URLs that it takes, and an example of one.
SCHEMES = {"mlflow": (*servers.HTTP, servers.POSTGRESQL), "metadata": (servers.POSTGRESQL,)}
EXAMPLES = {
    "mlflow": "http://host:5000 or postgresql://user@host/mlflow",
    "metadata": "postgresql://user@host:5432/metadata",
}


@dataclasses.dataclass(frozen=True)
class Backends:
    """Servers that take the place of a workspace's own databases.

    Attributes:
      mlflow: URL of an MLflow server, or of MLflow's database; None for an SQLite file in the workspace.
      metadata: URL of MLMD's database; None likewise.
    """

    mlflow: str | None = None
    metadata: str | None = None

    @classmethod
    def read(cls, root: Path, environment: Mapping[str, str] = os.environ) -> "Backends":
        """Reads what a workspace and the environment say; neither need say anything.

        Raises:
          UsageError: Something is no address, or no driver for it is installed.
        """
        given = {key: (f"`{key}` of {root / FILE}", value) for key, value in _file(root / FILE).items()}
        given |= {key: (name, environment[name]) for key, name in VARIABLES.items() if environment.get(name)}
        return cls(**{key: _checked(key, *told) for key, told in given.items()})


# Everything in the workspace.
OWN = Backends()


def _file(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} must be a TOML file with {_keys()}. Received: {error}.") from error
    for key in content:
        if key not in VARIABLES:
            raise UsageError(f"{path} must hold no key but {_keys()}. Received: {key!r}.{near(key, VARIABLES)}")
    return content


def _keys() -> str:
    return " and ".join(f"`{key}`" for key in VARIABLES)


def _checked(key: str, where: str, value: object) -> str:
    """Refuses what is no URL that the key takes; a password in it is not repeated."""
    if not (isinstance(value, str) and _fits(value, SCHEMES[key])):
        shown = repr(_shown(value) if isinstance(value, str) else value)
        raise UsageError(f"{where} must be a URL such as {EXAMPLES[key]}. Received: {shown}.")
    if urlsplit(value).scheme == servers.POSTGRESQL and importlib.util.find_spec("psycopg") is None:
        raise UsageError(
            f"{where} needs a driver for PostgreSQL. Received: none is installed; run "
            "`pip install 'convoy[postgresql]'`."
        )
    return value.rstrip("/")


def _shown(value: str) -> str:
    try:
        return servers.bare(value)
    except ValueError:  # Not even a URL's form.
        return f"{value.partition(':')[0]}:…"


def _fits(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 -- raises for what is no number
    except ValueError:
        return False
    named = parts.scheme != servers.POSTGRESQL or bool(parts.path.strip("/"))
    return parts.scheme in schemes and bool(parts.hostname) and named and not set(value) & set(" \t\n")
