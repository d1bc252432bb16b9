"""Where the benchmarks write their results, and what every result says of itself."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def circumstances() -> dict[str, str]:
    """Returns the date, the commit and the machine of a measurement; a copy without git has no commit."""
    commit = subprocess.run(
        "git rev-parse --short HEAD || echo unknown", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    cores = len(os.sched_getaffinity(0))
    return {
        "date": f"{datetime.date.today()}",
        "commit": commit.stdout.strip(),
        "machine": f"{cores} cores, {platform.machine()}, Python {platform.python_version()}",
    }
