"""The workspace: one folder that holds everything a run writes."""

import contextlib
import dataclasses
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from components import servers
from pipeline.backends import OWN, Backends
from pipeline.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where things are, below one folder; MLflow and MLMD may be elsewhere.

    Attributes:
      root: Absolute.
      backends: Servers in the place of databases here.
    """

    root: Path
    backends: Backends = OWN

    @classmethod
    def open(cls, root: str | Path, *, create: bool = True) -> "Workspace":
        """Opens the folder, checking that it can be written.

        Args:
          root: The folder.
          create: Whether to make it if need be; a question about a workspace must not.

        Raises:
          UsageError: It isn't, or can't; or its back ends are none.
        """
        path = Path(root).absolute()
        try:
            if create:
                path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            missing = not create and isinstance(error, FileNotFoundError)
            remedy = "`convoy run` makes it; --workspace names another" if missing else "name another with --workspace"
            reason = os.strerror(error.errno or 0)
            raise UsageError(
                f"The workspace must be a folder that can be written. Received: {path} ({reason}); {remedy}."
            ) from error
        return cls(path, Backends.read(path))

    @property
    def pipeline_root(self) -> Path:
        """TFX's artifacts."""
        return self.root / "tfx"

    @property
    def metadata(self) -> Path | str:
        """MLMD's SQLite database, or the URL of one in PostgreSQL."""
        return self.backends.metadata or self.root / "metadata.sqlite"

    @property
    def tracking_uri(self) -> str:
        """MLflow's server or database, as a URI; by default an SQLite database."""
        return self.backends.mlflow or f"sqlite:///{self.root / 'mlflow.sqlite'}"

    @property
    def mlflow_exists(self) -> bool:
        """Whether MLflow's database may be asked: where there is no file yet, asking would make it."""
        return self.backends.mlflow is not None or (self.root / "mlflow.sqlite").exists()

    @property
    def has_mlflow_server(self) -> bool:
        """Whether MLflow is a server, with a page and files of its own."""
        return urlsplit(self.tracking_uri).scheme in servers.HTTP

    @property
    def artifact_location(self) -> str:
        """The folder of the files that MLflow keeps; empty where its server knows where."""
        return "" if self.has_mlflow_server else str(self.root / "mlartifacts")

    @property
    def unsent(self) -> Path:
        """What trainings could not tell MLflow."""
        return self.root / "unsent"

    @property
    def mark(self) -> str:
        """What tells this workspace from one of the same path on another machine; made when first asked for."""
        path = self.root / "mark"
        with contextlib.suppress(FileExistsError), path.open("x", encoding="ascii") as file:
            file.write(secrets.token_hex(8))
        return path.read_text(encoding="ascii")

    @property
    def repository(self) -> Path:
        """The model repository."""
        return self.root / "model_repository"

    @property
    def promotions(self) -> Path:
        """The histories of promotions, a file a model."""
        return self.root / "promotions"

    @property
    def server_file(self) -> Path:
        """Where `convoy serve` says that it runs."""
        return self.root / "server.json"

    @property
    def datasets(self) -> Path:
        """Data sets that TFDS has prepared."""
        return self.root / "datasets"

    def run(self, run_id: str) -> Path:
        """Returns the folder of one run: its log and its summary."""
        return self.root / "runs" / run_id
