"""A digest of the source code that a component runs.

TFX's cache key knows a function by its import path alone, so an edited architecture would silently reuse the old model.
Every component of ours therefore carries the digest of its sources as an execution property.
"""

import hashlib
import importlib.util
from pathlib import Path


def source_digest(*modules: str) -> str:
    """Digests the Python files of modules, without importing them.

    Args:
      *modules: Import paths. A package stands for all the Python files below it.

    Returns:
      The first 16 hexadecimal digits of a SHA-256 over paths and contents.
    """
    total = hashlib.sha256()
    for module in sorted(modules):
        for path in _files(module):
            total.update(f"{module}/{path.name}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def _files(module: str) -> list[Path]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"A module with source code is required. Received: {module!r}.")
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
