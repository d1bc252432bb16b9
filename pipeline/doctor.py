"""`convoy doctor`: is this machine fit, and if not, what helps?"""

import dataclasses
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.table import Table

from pipeline.errors import ConvoyError
from pipeline.workspace import Workspace

NEEDED_DISK_BYTES = 2 * 1024**3
PACKAGES = ("tensorflow", "keras", "tfx", "tensorflow-datasets", "apache-beam", "tensorflow-serving-api", "mlflow")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check: `fix` is empty where nothing is to do, and `fatal` says whether Convoy can't work so."""

    subject: str
    found: str
    fix: str = ""
    fatal: bool = False


def examine(root: str, port: int) -> Iterator[Finding]:
    """Checks Python, packages, GPU, workspace, disk, ports, MLMD and MLflow, one after the other."""
    yield _python()
    yield _glibc()
    yield from _packages()
    yield _gpu()
    yield from _workspace(root, port)


def _python() -> Finding:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    fix = "" if fits else "install Python 3.11 and run `make demo PYTHON=python3.11`"
    return Finding("Python", platform.python_version(), fix, fatal=not fits)


def _glibc() -> Finding:
    _, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2]) if version else (0, 0)
    fits = numbers >= (2, 28)
    fix = "" if fits else "a Linux with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8)"
    return Finding("glibc", version or "none", fix, fatal=not fits)


def _packages() -> Iterator[Finding]:
    locked = _locked()
    for name in PACKAGES:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing", "run `make install`", fatal=True)
            continue
        wanted = locked.get(name, found)
        yield Finding(name, found, "" if found == wanted else f"tested with {wanted}: run `make install`")


def _locked() -> dict[str, str]:
    """Reads the lock of this Python; installed without the source tree, there is none."""
    lock = Path(__file__).parents[1] / "requirements" / f"py{sys.version_info.major}{sys.version_info.minor}.txt"
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.is_file() else []
    return dict(line.split("==", 1) for line in lines if "==" in line)


def _gpu() -> Finding:
    nvidia = shutil.which("nvidia-smi")
    if nvidia is None:
        return Finding("GPU", "none: training uses the CPU")
    return Finding("GPU", "NVIDIA driver found", "for TensorFlow to use it: pip install 'tensorflow[and-cuda]==2.21.*'")


def _workspace(root: str, port: int) -> Iterator[Finding]:
    try:
        workspace = Workspace.open(root)
    except ConvoyError as error:
        yield Finding("workspace", str(error), "choose another with --workspace", fatal=True)
        return
    free = shutil.disk_usage(workspace.root).free
    fix = "" if free >= NEEDED_DISK_BYTES else f"free {NEEDED_DISK_BYTES // 1024**3} GiB"
    yield Finding("disk", f"{free / 1024**3:.1f} GiB free at {workspace.root}", fix)
    yield _check("port", f"{port} is free", lambda: _port(port), "stop what listens there, or serve on another --port")
    yield _check("MLMD", "readable", lambda: _mlmd(workspace), "move the file away: lineage starts anew")
    yield _check("MLflow", "readable", lambda: _mlflow(workspace), "see the sentence")


def _check(subject: str, good: str, attempt: Callable[[], None], fix: str) -> Finding:
    try:
        attempt()
    except Exception as error:
        return Finding(subject, str(error), fix)
    return Finding(subject, good)


def _port(port: int) -> None:
    from pipeline.serve import check_free

    check_free("127.0.0.1", port)


def _mlmd(workspace: Workspace) -> None:
    from pipeline.lineage import Lineage

    Lineage(workspace.metadata).published()


def _mlflow(workspace: Workspace) -> None:
    from components.registrar import registry

    if workspace.mlflow_exists:
        with registry.connected(workspace.tracking_uri) as client:
            client.search_experiments(max_results=1)


def table(findings: list[Finding]) -> Table:
    """Draws the findings."""
    drawn = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = "[red]✗[/]" if finding.fatal else ("[yellow]![/]" if finding.fix else "[green]✓[/]")
        drawn.add_row(mark, finding.subject, finding.found + (f"  → {finding.fix}" if finding.fix else ""))
    return drawn
