"""A digest of the source code that a component runs.

TFX's cache key knows a function by its import path alone, so an edited architecture would silently reuse the old model.
Every component of ours therefore carries the digest of its sources as an execution property.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
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


def with_imports(module: str, package: str) -> tuple[str, ...]:
    """Lists a module and the modules of a package that it needs: those it imports, and those that they import.

    Args:
      module: Its import path. It isn't imported.
      package: Imports from elsewhere are not followed.

    Returns:
      Import paths, in alphabetical order.
    """
    found: set[str] = set()
    frontier = {module}
    while frontier:
        found |= frontier
        frontier = {name for known in frontier for name in _imports(known, package)} - found
    return tuple(sorted(found))


def _imports(module: str, package: str) -> Iterator[str]:
    for path in _files(module):
        for node in ast.walk(ast.parse(path.read_bytes())):
            for name in _named(node):
                if name == package or name.startswith(f"{package}."):
                    yield name


def _named(node: ast.AST) -> list[str]:
    """Names the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [_module(node.module, alias.name) for alias in node.names]
    return []


def _module(source: str, name: str) -> str:
    """Tells a module of a package from a name in it: `from models import layers` needs that module alone."""
    is_package = (spec := importlib.util.find_spec(source)) is not None and spec.submodule_search_locations is not None
    return f"{source}.{name}" if is_package and importlib.util.find_spec(f"{source}.{name}") else source


def _files(module: str) -> list[Path]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"A module with source code is required. Received: {module!r}.")
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
