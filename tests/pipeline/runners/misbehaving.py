"""What a node's process may do, in place of TFX's launcher; a child imports it by this name."""

import os
import resource
import signal
import time
from pathlib import Path

from pipeline.runners.node import NodeResult


def launch(ir: bytes, node_id: str, *_: object) -> NodeResult:
    """Does as the pipeline says of this node: `Trainer.a=hang`."""
    todo = dict(line.split("=", 1) for line in ir.decode().splitlines())
    match todo.get(node_id, "").split(":"):
        case ["hang"]:
            time.sleep(3600)
        case ["deaf"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
        case ["exit", code]:
            os._exit(int(code))
        case ["eat"]:
            Path("oom").write_text(Path("/proc/self/oom_score_adj").read_text())
            raise MemoryError("no memory for 8 TiB")
        case ["hoard"]:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
            bytearray(2**30)
        case ["lock", file, times]:
            tried = Path(file)
            tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
            if len(tried.read_text()) <= int(times):
                raise RuntimeError("MLflow can't be used") from OSError("(sqlite3.OperationalError) database is locked")
    return NodeResult("ran", {})
