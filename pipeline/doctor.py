"""`convoy doctor`: is this machine fit, and if not, what helps?"""

import dataclasses
import importlib.metadata
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from components import servers
from pipeline.backends import Backends
from pipeline.errors import UsageError, sentence
from pipeline.workspace import Workspace
from serving import running

NEEDED_DISK_BYTES = 2 * 1024**3
PACKAGES = ("tensorflow", "keras", "tfx", "tensorflow-datasets", "apache-beam", "tensorflow-serving-api", "mlflow")


Verdict = Literal["good", "warning", "fatal"]
MARKS = {"good": ("✓", "green"), "warning": ("!", "yellow"), "fatal": ("✗", "red")}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
      subject: What was looked at.
      found: What it is like.
      verdict: `fatal` where Convoy can't work so, `warning` where something is not as it could be.
      fix: What would help, empty where nothing need be done or `found` says it.
    """

    subject: str
    found: str
    verdict: Verdict = "good"
    fix: str = ""


def examine(root: str, port: int) -> Iterator[Finding]:
    """Checks Python, packages, GPU, workspace, disk, port, MLMD and MLflow, one after the other; changes nothing."""
    yield _python()
    yield _glibc()
    yield from packages(PACKAGES, _locked())
    yield _gpu()
    path = Path(root).absolute()
    yield _port(port, running.find(Workspace(path).server_file))
    yield from _workspace(path)


def _python() -> Finding:
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", platform.python_version())
    return Finding("Python", platform.python_version(), "fatal", "install Python 3.11")


def _glibc() -> Finding:
    _, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2]) if version else (0, 0)
    if numbers >= (2, 28):
        return Finding("glibc", version)
    return Finding("glibc", version or "none", "fatal", "a Linux with glibc 2.28 or newer (Debian 10, Ubuntu 20.04)")


def packages(names: Iterable[str], locked: Mapping[str, str]) -> Iterator[Finding]:
    """Compares what is installed with what was tested: with the versions of a lock, where it names them."""
    for name in names:
        found, wanted = _installed(name), locked.get(name)
        if found is None:
            yield Finding(name, "missing", "fatal", "run `make install`")
        elif wanted not in (None, found):
            yield Finding(name, found, "warning", f"tested with {wanted}: run `make install`")
        else:
            yield Finding(name, found)


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _locked() -> dict[str, str]:
    """Reads the lock of this Python; installed without the source tree, there is none."""
    lock = Path(__file__).parents[1] / "requirements" / f"py{sys.version_info.major}{sys.version_info.minor}.txt"
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.is_file() else []
    return dict(line.split("==", 1) for line in lines if "==" in line)


def _gpu() -> Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "none: training uses the CPU")
    if missing := [name for name in cuda_packages() if _installed(name) is None]:
        fix = "run `pip install 'tensorflow[and-cuda]==2.21.*'`"
        return Finding("GPU", f"NVIDIA driver, without CUDA for TensorFlow ({len(missing)} packages)", "warning", fix)
    return Finding("GPU", "NVIDIA driver and CUDA for TensorFlow")


def cuda_packages() -> list[str]:
    """Lists what TensorFlow's extra `and-cuda` would install."""
    requirements = importlib.metadata.requires("tensorflow") or []
    return [re.split(r"[^\w.-]", found)[0] for found in requirements if "and-cuda" in found]


def _workspace(path: Path) -> Iterator[Finding]:
    place = next(existing for existing in (path, *path.parents) if existing.exists())
    writable = _check(
        "workspace", f"{path}" if place == path else f"{path}, not made yet", "fatal", lambda: _open(place)
    )
    yield writable
    if writable.verdict == "good":
        free = shutil.disk_usage(place).free
        text = f"{free / 1024**3:.1f} GiB free at {place}"
        enough = free >= NEEDED_DISK_BYTES
        yield Finding("disk", text) if enough else Finding("disk", text, "warning", "a run may need 2 GiB")
        yield from _backends(path)


def _backends(path: Path) -> Iterator[Finding]:
    try:
        workspace = Workspace(path, Backends.read(path))
    except UsageError as error:
        yield Finding("back ends", sentence(error), "fatal")
        return
    yield _ask("MLMD", workspace.backends.metadata, lambda: _mlmd(workspace))
    yield _ask("MLflow", workspace.backends.mlflow, lambda: _mlflow(workspace))


def _ask(subject: str, url: str | None, readable: Callable[[], bool]) -> Finding:
    """Asks a back end whether it can be read; says where, if not in the workspace."""
    where = f" at {servers.bare(url)}" if url else ""
    try:
        return Finding(subject, f"{'readable' if readable() else 'none yet'}{where}")
    except Exception as error:
        return Finding(subject, sentence(error), "fatal")


def _check(subject: str, good: str, otherwise: Verdict, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except Exception as error:
        return Finding(subject, sentence(error), otherwise)
    return Finding(subject, good)


def _port(port: int, ours: str | None) -> Finding:
    from pipeline.serve import check_free

    if ours and ours.endswith(f":{port}"):
        return Finding("port", f"{port} serves this workspace")
    return _check("port", f"{port} is free", "warning", lambda: check_free("127.0.0.1", port))


def _open(place: Path) -> None:
    Workspace.open(place, create=False)


def _mlmd(workspace: Workspace) -> bool:
    from pipeline import metadata
    from pipeline.lineage import Lineage

    Lineage(workspace.metadata).published()
    return metadata.exists(workspace.metadata)


def _mlflow(workspace: Workspace) -> bool:
    if not workspace.mlflow_exists:
        return False
    from components.registrar import registry

    with registry.connected(workspace.tracking_uri) as client:
        client.search_experiments(max_results=1)
    return True


def table(findings: list[Finding]) -> RenderableType:
    """Draws the findings, and below them what they come to."""
    drawn = Table.grid(padding=(0, 2))
    for _ in range(2):
        drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.verdict]
        found = f"{finding.found} → {finding.fix}" if finding.fix else finding.found
        drawn.add_row(Text(mark, style=style), finding.subject, found)
    fatal = [finding.subject for finding in findings if finding.verdict == "fatal"]
    return Group(drawn, Text(f"Convoy can't work here: {', '.join(fatal)}." if fatal else "Convoy can work here."))
