"""The order of all tests, and servers that some of them start: MLflow's, PostgreSQL's, and one in between."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START_TIMEOUT_S = 60.0
PASSWORD = "open sesame"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts with the journeys, which take longest: whoever runs files side by side would wait for them at the end."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


def free_port() -> int:
    """Finds a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class MlflowServer:
    """An MLflow tracking server, which serves the files too: a process that can be ended and started again."""

    def __init__(self, folder: Path, store: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._store = store or f"sqlite:///{folder / 'mlflow.sqlite'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "MlflowServer":
        """Starts it, and waits until it answers."""
        flags = {"host": "127.0.0.1", "port": self.port, "workers": 1, "artifacts-destination": self.folder / "files"}
        command = [sys.executable, "-m", "mlflow", "server", *(f"--{name}={value}" for name, value in flags.items())]
        told = {"MLFLOW_BACKEND_STORE_URI": self._store, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": ""}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | told, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.url}/health", timeout=5).status == 200)
        return False

    def kill(self) -> None:
        """Ends it and its workers at once, as a power cut does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()


@pytest.fixture(scope="session")
def start_mlflow() -> Iterator[Callable[..., MlflowServer]]:
    """Starts MLflow servers, each with a folder of its own; they end with the session."""
    started = []

    def start(folder: Path, store: str = "") -> MlflowServer:
        started.append(MlflowServer(folder, store))
        return started[-1].start()

    yield start
    for server in started:
        server.kill()


class Postgresql:
    """A PostgreSQL server, whose user `convoy` has a password and may make databases."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.port, self._binaries, self._folder = free_port(), binaries, folder
        # It refuses to run as root.
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}

    def start(self) -> "Postgresql":
        password = self._folder / "password"
        password.write_text(PASSWORD)
        for path in (self._folder, password):
            if self._as:
                shutil.chown(path, "nobody", "nogroup")
        self._run("initdb", "--auth=scram-sha-256", "--username=convoy", f"--pwfile={password}", "--no-sync")
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "--wait", f"--options={options}", f"--log={self._folder / 'log'}", "start")
        return self

    def url(self, database: str, password: str = PASSWORD) -> str:
        """Names a database."""
        told = f":{password.replace(' ', '%20')}" if password else ""
        return f"postgresql://convoy{told}@127.0.0.1:{self.port}/{database}"

    def make(self, database: str) -> str:
        """Makes a database; returns its URL."""
        import psycopg

        with contextlib.closing(psycopg.connect(self.url("postgres"))) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def stop(self) -> None:
        self._run("pg_ctl", "--mode=immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), f"--pgdata={self._folder / 'data'}", *arguments]
        with (self._folder.with_suffix(".log")).open("ab") as log:  # A pipe would be held open by the server.
            done = subprocess.run(command, stdout=log, stderr=log, cwd="/", check=False, **self._as)  # type: ignore[call-overload]
        assert done.returncode == 0, self._folder.with_suffix(".log").read_text()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """Starts PostgreSQL, where it is installed: Debian's package `postgresql` is enough."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql` brings the server that this starts")
    folder = Path(tempfile.mkdtemp(prefix="convoy-postgresql-"))  # Outside of pytest's, which root alone may enter.
    server = Postgresql(Path(initdb).parent, folder).start()
    yield server
    server.stop()
    shutil.rmtree(folder)
    folder.with_suffix(".log").unlink()


class Between:
    """Stands between a client and a server, as a bad network does: passes on, delays, or swallows what it hears."""

    def __init__(self, port: int) -> None:
        self._port, self.swallows, self.delay_s = port, False, 0.0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    client.close()
                    continue
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while heard := source.recv(65536):
                time.sleep(self.delay_s)
                if not self.swallows:
                    target.sendall(heard)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def between() -> Iterator[Callable[[int], Between]]:
    """Puts something between the tests and a port."""
    made = []

    def make(port: int) -> Between:
        made.append(Between(port))
        return made[-1]

    yield make
    for one in made:
        one.close()
