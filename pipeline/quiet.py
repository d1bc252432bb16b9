"""Upstream noise on file descriptors 1 and 2, which Python's own `sys.stderr` never sees."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# What TensorFlow says at every import on a machine without a GPU, by its own names; anything else gets through.
NOISE = re.compile(
    r"absl::InitializeLog|oneDNN custom operations|Could not find cuda drivers|failed call to cuInit|cpu_feature_guard"
    r"|^To enable the following instructions"
)


@contextlib.contextmanager
def output_to(path: Path, streams: Sequence[int] = (1, 2)) -> Iterator[None]:
    """Sends what this process and its children write into a file, for the length of a block."""
    saved = [os.dup(stream) for stream in streams]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for stream in streams:
            os.dup2(log, stream)
        yield
    finally:
        for stream, copy in zip(streams, saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(log)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Drops the known lines of TensorFlow's start from stderr; whatever else was said comes at the end of the block."""
    with tempfile.NamedTemporaryFile() as file:
        try:
            with output_to(Path(file.name), streams=[2]):
                yield
        finally:
            lines = Path(file.name).read_text(encoding="utf-8", errors="replace").splitlines()
            for line in lines:
                if not NOISE.search(line):
                    print(line, file=sys.stderr)
