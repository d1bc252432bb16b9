"""What Google-style docstrings say of each argument or attribute, for those who meet it in a config."""

import ast
import inspect
import re
from importlib.util import find_spec
from pathlib import Path


def entries(docstring: str | None, section: str) -> dict[str, str]:
    """Returns what a section, such as `Args`, says of each name in it."""
    text = inspect.cleandoc(docstring or "").partition(f"{section}:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}


def arguments(module: str, function: str) -> dict[str, str]:
    """Returns what the docstring of a module's function says of its arguments; the module isn't imported."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_bytes())
    named = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    return entries(ast.get_docstring(next(named)), "Args")
