"""Three floors, and no arrow that runs back up: who may import what, and who may change the environment."""

import ast
import dataclasses
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "components", "models", "serving")
TFX = {"tfx", "tfx_bsl", "ml_metadata", "apache_beam", "tensorflow_transform", "tensorflow_model_analysis"}
TFX |= {"tensorflow_data_validation", "tensorflow_metadata", "tensorflow_datasets"}
FORBIDDEN = {
    "pipeline": set(),
    "components": {"pipeline"},
    "models": {"pipeline", "components", "serving", "tensorflow", "mlflow", *TFX},
    "serving": {"pipeline", "components", "models", "mlflow", *TFX},
}
# What runs as a process of its own; the environment is theirs to set.
ENTRY_POINTS = {"pipeline/cli.py", "pipeline/runners/node.py", "serving/server/app.py"}
WRITES = {"setdefault", "update", "pop", "popitem", "clear", "__setitem__", "__delitem__"}


@dataclasses.dataclass(frozen=True)
class Source:
    """One of our files, parsed."""

    path: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.partition("/")[0]


def sources() -> list[Source]:
    found = [path.relative_to(ROOT) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [Source(str(path), ast.parse((ROOT / path).read_text(encoding="utf-8"))) for path in found]


SOURCES = sources()
by_path = pytest.mark.parametrize("source", SOURCES, ids=[source.path for source in SOURCES])


def imported(tree: ast.AST) -> set[str]:
    """Finds the top-level names that a file imports: anywhere in it, and by `import_module` too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            found.add(node.module)
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__") and node.args:
            found.add(_beginning(node.args[0]))
    return {name.partition(".")[0] for name in found}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _beginning(argument: ast.expr) -> str:
    first = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
    return str(first.value) if isinstance(first, ast.Constant) else "something unknown"


def changes_environment(tree: ast.AST) -> bool:
    """Whether a file writes `os.environ`, in any of the ways that there are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            method = _name(node.func)
            of_environ = isinstance(node.func, ast.Attribute) and _name(node.func.value) == "environ"
            if (of_environ and method in WRITES) or method in ("putenv", "unsetenv"):
                return True
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            if _name(node.value) == "environ":
                return True
        elif isinstance(node, ast.AugAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if "environ" in map(_name, targets):
                return True
    return False


def mentions_environment(tree: ast.AST) -> bool:
    """Whether a file reads or writes the environment."""
    names = {_name(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return bool(names & {"environ", "environb", "getenv", "putenv"})


@by_path
def test_no_file_imports_from_above_its_floor(source):
    assert not imported(source.tree) & FORBIDDEN[source.room]


@pytest.mark.parametrize("source", [source for source in SOURCES if source.room == "models"], ids=lambda one: one.path)
def test_models_need_keras_alone(source):
    assert imported(source.tree) - set(sys.stdlib_module_names) <= {"models", "keras"}


def test_the_environment_is_written_by_entry_points_alone():
    assert {source.path for source in SOURCES if changes_environment(source.tree)} <= ENTRY_POINTS


def test_components_and_models_do_not_look_at_the_environment():
    looking = {source.path for source in SOURCES if mentions_environment(source.tree)}
    assert not {path for path in looking if path.startswith(("components/", "models/"))}


class TestTheseChecksCanFail:
    @pytest.mark.parametrize(
        "text",
        [
            "import tfx",
            "import tfx.v1 as anything",
            "from tfx.types import artifact",
            "def f():\n    import tfx",
            "if TYPE_CHECKING:\n    from tfx import v1",
            "import importlib\nimportlib.import_module('tfx.v1')",
            "from importlib import import_module\nimport_module(f'tfx.{name}')",
            "__import__('tfx')",
        ],
    )
    def test_every_way_to_import_is_seen(self, text):
        assert "tfx" in imported(ast.parse(text))

    @pytest.mark.parametrize(
        "text",
        [
            "os.environ['A'] = 'b'",
            "environ['A'] += 'b'",
            "del os.environ['A']",
            "os.environ.setdefault('A', 'b')",
            "os.environ.update(A='b')",
            "os.environ |= {'A': 'b'}",
            "os.environ = {}",
            "os.putenv('A', 'b')",
            "os.unsetenv('A')",
        ],
    )
    def test_every_way_to_write_the_environment_is_seen(self, text):
        assert changes_environment(ast.parse(text))
        assert mentions_environment(ast.parse(text)) or "unsetenv" in text

    @pytest.mark.parametrize("text", ["x = os.environ['A']", "os.environ.get('A')", "cache.pop('A')", "environ"])
    def test_reading_it_is_not_writing_it(self, text):
        assert not changes_environment(ast.parse(text))
