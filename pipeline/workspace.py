"""The workspace: one folder that holds everything a run writes."""

import dataclasses
import os
import tempfile
from pathlib import Path

from pipeline.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where things are, below one folder.

    Attributes:
      root: Absolute.
    """

    root: Path

    @classmethod
    def open(cls, root: str | Path, *, create: bool = True) -> "Workspace":
        """Opens the folder, checking that it can be written.

        Args:
          root: The folder.
          create: Whether to make it if need be; a question about a workspace must not.

        Raises:
          UsageError: It isn't, or can't.
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
        return cls(path)

    @property
    def pipeline_root(self) -> Path:
        """TFX's artifacts."""
        return self.root / "tfx"

    @property
    def metadata(self) -> Path:
        """MLMD's SQLite database."""
        return self.root / "metadata.sqlite"

    @property
    def tracking_uri(self) -> str:
        """MLflow's SQLite database, as a URI."""
        return f"sqlite:///{self.root / 'mlflow.sqlite'}"

    @property
    def mlflow_exists(self) -> bool:
        """Whether MLflow's database is there: asking MLflow would create it."""
        return (self.root / "mlflow.sqlite").exists()

    @property
    def artifact_location(self) -> Path:
        """Files that MLflow keeps."""
        return self.root / "mlartifacts"

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
