import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest

import models
from pipeline import architectures, cli, errors
from pipeline.errors import ConvoyError, ExitCode, UsageError

HEAVY = {"tensorflow", "keras", "tfx", "mlflow", "apache_beam", "ml_metadata", "numpy", "pydantic", "rich", "grpc"}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["status", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    program = (
        "import sys\n"
        "from pipeline.cli import main\n"
        f"sys.argv = ['convoy', *{arguments!r}]\n"
        "try:\n    main()\n"
        "finally:\n    print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & HEAVY


def test_help_says_every_exit_code(convoy):
    ended = convoy("--help")
    assert ended.code == 0
    said = " ".join(ended.out.split())
    for code in ExitCode:
        assert re.search(rf"\b{int(code)} \w+", said), code


def test_an_unknown_verb_or_option_is_a_usage_error(convoy):
    for arguments in (["frobnicate"], ["run"], ["run", "digits", "--jobs=0"], ["status", "--nonsense"]):
        ended = convoy(*arguments)
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert "Error: " in ended.err


def test_a_refused_config_leaves_nothing(convoy, tmp_path):
    ended = convoy("run", "digits", "--set", "training.epochs=0", "--workspace", "fresh")
    assert ended.code == ExitCode.USAGE
    assert "`epochs` must be greater than 0. Received: 0." in ended.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["run", "nothing"], ["run", "digits", "--architectures", "lenet6"]])
def test_a_refusal_shows_its_traceback_in_debug_alone(convoy, arguments):
    plain, debugged = convoy(*arguments), convoy("--debug", *arguments)
    assert plain.code == debugged.code == ExitCode.USAGE
    assert "Did you mean" in plain.err or "Those that ship" in plain.err
    assert "Traceback" not in plain.err
    assert debugged.err.startswith("Traceback")
    assert debugged.err.splitlines()[-1] == plain.err.strip()


@pytest.mark.parametrize("verb", ["status", "compare", "serve", "ui"])
def test_a_question_about_a_workspace_does_not_make_one(convoy, tmp_path, verb):
    ended = convoy(verb, "--workspace", "nowhere")
    assert ended.code == ExitCode.USAGE
    assert "No such file or directory" in ended.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [["run", "digits"], ["status"], ["compare"], ["serve"], ["ui"]])
@pytest.mark.parametrize("place", ["file", "file/below", "/proc/convoy"])
def test_a_workspace_that_cannot_be_written_is_refused(convoy, tmp_path, verb, place):
    (tmp_path / "file").write_text("a file in its place")
    ended = convoy(*verb, "--workspace", place)
    assert ended.code == ExitCode.USAGE
    assert re.match(
        r"The workspace must be a folder that can be written\. Received: /\S+ \([^)]+\); .+", ended.sentence
    )
    assert (tmp_path / "file").read_text() == "a file in its place"


def test_the_workspace_comes_from_the_environment_too(convoy, tmp_path):
    ended = convoy("compare", CONVOY_WORKSPACE=str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere") in ended.sentence


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("ZeroDivisionError('by\\nzero')", "Unexpected ZeroDivisionError: by; "),
        ("DiskFullError('No room is left.')", "No room is left."),
        ("UsageError('It is wrong.')", "It is wrong."),
    ],
)
def test_whatever_a_verb_raises_is_one_sentence(raised, said, environment):
    program = (
        "import click\n"
        "from pipeline.cli import main\n"
        "from pipeline.errors import UsageError\n"
        "from serving.repository import DiskFullError\n"
        "@main.command()\n"
        f"def boom():\n    raise {raised}\n"
        "main()"
    )
    command = [sys.executable, "-c", program]
    plain, debugged = (
        subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=False)
        for arguments in (["boom"], ["--debug", "boom"])
    )
    assert plain.returncode == debugged.returncode == (ExitCode.USAGE if "Usage" in raised else ExitCode.BRANCH_FAILED)
    assert plain.stderr.startswith(f"convoy: {said}")
    assert len(plain.stderr.splitlines()) == 1
    assert "in boom" in debugged.stderr
    assert debugged.stderr.endswith(plain.stderr)


class TestSentence:
    """What each kind of error becomes."""

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ConvoyError("A b is required. Received: c."), ExitCode.BRANCH_FAILED),
            (ConvoyError("A b is required. Received: c.", ExitCode.LOCKED), ExitCode.LOCKED),
            (UsageError("A b is\nrequired. Received: c."), ExitCode.USAGE),
        ],
    )
    def test_ours_say_what_they_say(self, error, code):
        assert errors.sentence(error) == "A b is required. Received: c."
        assert errors.exit_code(error) == code

    def test_every_room_s_errors_are_ours(self):
        from components.dataset_gen.sources import DatasetError
        from models import UnknownArchitectureError
        from serving.client import ServerUnavailableError
        from serving.repository import DiskFullError

        for kind in (DatasetError, UnknownArchitectureError, ServerUnavailableError, DiskFullError):
            assert errors.sentence(kind("A b is required.")) == "A b is required."
            assert errors.exit_code(kind("A b is required.")) == ExitCode.BRANCH_FAILED

    @pytest.mark.parametrize("text", ["went wrong\n[SQL: SELECT 1]\n(see elsewhere)", "went wrong.", "\n went  wrong"])
    def test_others_are_called_unexpected_in_one_line(self, text):
        assert errors.sentence(RuntimeError(text)) == (
            "Unexpected RuntimeError: went wrong; `convoy --debug` before the command shows where."
        )

    def test_others_may_say_nothing(self):
        assert errors.sentence(AssertionError()).startswith("Unexpected AssertionError: no explanation; ")

    def test_others_are_cut_where_they_are_long(self):
        assert len(errors.sentence(ValueError("x" * 10_000))) < 500


@pytest.mark.parametrize("shape", ["32,32", "32,32,3,1", "a,b,c", "", "0,8,1", "-1,8,1"])
def test_models_refuses_a_shape_that_is_none(convoy, shape):
    ended = convoy("models", f"--input-shape={shape}")
    assert ended.code == ExitCode.USAGE
    assert f"--input-shape must be H,W,C, all positive, such as 32,32,3. Received: {shape!r}." in ended.sentence


def test_models_in_json_are_what_describe_says_in_the_order_of_the_catalog(convoy):
    ended = convoy("models", "--input-shape=28,28,1", "--classes=10", "--form=paper", "--json")
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    found = json.loads(ended.out)
    assert [facts["name"] for facts in found] == list(models.names())
    keys = {"name", "family", "variant", "input_shape", "classes", "params", "trainable_params", "macs", "paper"}
    assert {frozenset(facts) for facts in found} == {frozenset(keys), frozenset({"name", "family", "variant", "error"})}
    by_name = {facts["name"]: facts for facts in found}
    assert by_name["lenet5"] == models.describe("lenet5", input_shape=(28, 28, 1), num_classes=10)
    assert "form='small'" in by_name["vgg16"]["error"]


def test_the_page_of_an_architecture_has_every_key_that_a_config_may_set(convoy):
    found = json.loads(convoy("models", "resnet50", "--json").out)
    assert set(found["forms"]) == {"paper", "small"}
    assert found["options"]["shortcut"].endswith("option `a`, `b` or `c` of the paper (one of a, b, c).")
    for form, facts in found["forms"].items():
        recipe = dataclasses.asdict(models.recipe("resnet50", form))
        assert facts["recipe"] == json.loads(json.dumps(recipe))
        assert set(facts["options"]) == set(found["options"]) == set(models.variant("resnet50").tunable)
    drawn = convoy("models", "resnet50").out
    assert all(f"\n{key} " in drawn for key in ("form", *found["options"], *models.Recipe.fields()))
    assert "To be searched in [architectures.resnet50.tune]: every key of the recipe but seed." in " ".join(
        drawn.split()
    )


@pytest.mark.parametrize("name", models.names())
def test_the_page_of_every_architecture_says_what_each_key_means(name):
    said = {**architectures.details(name)["options"], **models.Recipe.meanings()}
    assert set(said) == {*models.variant(name).tunable, *models.Recipe.fields()}
    assert all(said.values())


def test_the_page_of_an_unknown_architecture_is_refused(convoy):
    ended = convoy("models", "resnet51")
    assert ended.code == ExitCode.USAGE
    assert "`convoy models` lists them." in ended.sentence


@pytest.mark.parametrize("option", ["--input-shape=8,8,1", "--classes=3", "--form=small"])
def test_the_page_of_an_architecture_counts_nothing_and_says_so(convoy, option):
    ended = convoy("models", "vgg16", option)
    assert ended.code == ExitCode.USAGE
    assert "NAME must go without" in ended.sentence


@pytest.mark.parametrize("names", ["", ",", " , "])
def test_architectures_that_name_none_are_refused(convoy, names):
    ended = convoy("run", "digits", "--architectures", names)
    assert ended.code == ExitCode.USAGE
    assert "must be names with commas between them" in ended.sentence


def test_environment_that_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for name in cli.ENVIRONMENT:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv("KERAS_BACKEND")
    cli.set_environment()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
