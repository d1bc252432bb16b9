"""Which trained models an edit makes stale: exactly those whose training it touches."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import models
from components.source import with_imports
from pipeline import config, digests

ROOT = Path(__file__).parents[2]
DIGEST_ALL = """
import json, models
from pipeline import config, digests
checked = config.check({"dataset": {"name": "digits"}}, "all")
plans = {name: checked.plan(name) for name in models.names()}
found = {name: digests.training(plan) for name, plan in plans.items()}
print(json.dumps(found | {f"Tuner.{name}": digests.tuning(plan) for name, plan in plans.items()}))
"""
# What training imports and no model is made of: constants, progress on a screen, and data that are digested resolved.
NOT_TRAINING = {"components.names", "components.progress", "components.source"}
NOT_TRAINING |= {"models", "models.catalog", "models.docstrings", "models.recipes", "models.row"}


def family(*names):
    return {name for name in models.names() if models.variant(name).family in names}


ALL = set(models.names())
TUNERS = {f"Tuner.{name}" for name in ALL}
# A file, and whom a change of it makes stale.
TOUCHED = {
    "models/lenet.py": family("lenet"),
    "models/lenet_parts.py": family("lenet"),
    "models/resnet.py": family("resnet"),
    "models/vgg.py": family("vgg"),
    "models/layers.py": ALL,
    "models/registry.py": ALL,
    "models/inference.py": ALL,
    "models/macs.py": ALL,
    "components/trainer/run.py": ALL,
    "components/trainer/export.py": ALL,
    "components/trainer/hyperparameters.py": ALL,
    "components/tuner/search.py": set(),
    "components/images.py": ALL,
    "models/catalog/resnet.py": set(),
    "models/recipes.py": set(),
    "models/row.py": set(),
    "components/registrar/registry.py": set(),
    "pipeline/graph.py": set(),
    "serving/labels.py": set(),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources, to edit."""
    copy = tmp_path_factory.mktemp("sources")
    for room in ("models", "components", "pipeline", "serving"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def digest_all(tree):
    ended = subprocess.run(
        [sys.executable, "-c", DIGEST_ALL],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def before(tree):
    found = digest_all(tree)
    assert set(found) == {*ALL, *TUNERS}
    return found


@pytest.fixture
def stale(tree, before):
    """Edits one file of the copy for a moment; returns the architectures whose digest changes."""

    def edit(path, change):
        source = (tree / path).read_text()
        assert change(source) != source
        (tree / path).write_text(change(source))
        try:
            after = digest_all(tree)
        finally:
            (tree / path).write_text(source)
        return {name for name in before if after[name] != before[name]}

    return edit


@pytest.mark.parametrize("path", TOUCHED)
def test_an_edit_makes_stale_whom_it_touches_and_no_other(stale, path):
    """A search is stale where its trainings are; an edit of the search itself leaves what was trained without one."""
    touched = stale(path, lambda source: f"{source}\n# An edit.\n")
    assert touched - TUNERS == TOUCHED[path]
    searched = ALL if path.startswith("components/tuner/") else TOUCHED[path]
    assert touched & TUNERS == {f"Tuner.{name}" for name in searched}


@pytest.mark.parametrize(
    ("path", "old", "new", "touched"),
    [
        ("resnet", "_imagenet(34, (3, 4, 6, 3)", "_imagenet(34, (3, 4, 6, 4)", {"resnet34"}),
        ("resnet", "_cifar(18, 1_736_058, CIFAR_110)", "_cifar(18, 1_736_059, CIFAR)", set()),
        ("densenet", "_imagenet(161, 48,", "_imagenet(161, 32,", {"densenet161"}),
        ("shared", "BN_MOMENTUM = Range(0.99,", "BN_MOMENTUM = Range(0.98,", ALL - family("lenet", "allcnn")),
        ("shared", "label_smoothing=0.1", "label_smoothing=0.2", set()),
    ],
)
def test_an_edited_row_makes_itself_stale_alone(stale, path, old, new, touched):
    assert stale(f"models/catalog/{path}.py", lambda source: source.replace(old, new)) - TUNERS == touched


def test_forms_are_stale_one_by_one(before):
    checked = config.check({"dataset": {"name": "digits"}, "architectures": {"vgg16": {"form": "paper"}}}, "mine.toml")
    assert digests.training(checked.plan("vgg16")) != before["vgg16"]


@pytest.mark.parametrize("name", models.names())
def test_a_digest_says_nothing_that_another_process_would_say_otherwise(before, name):
    """Such as the address of an object among the options."""
    checked = config.check({"dataset": {"name": "digits"}}, "all")
    assert digests.training(checked.plan(name)) == before[name]


def test_whatever_training_imports_is_digested_or_known_not_to_matter():
    builders = {f"models.{models.variant(name).family}" for name in models.names()}
    needed = {*with_imports("components.trainer", "components"), *with_imports("components.trainer.run", "models")}
    needed |= {one for builder in builders for one in with_imports(builder, "models")}
    digested = {one for shared in digests.SHARED for one in needed if one == shared or one.startswith(f"{shared}.")}
    digested |= builders | {one for builder in builders for one in with_imports(builder, "models")}
    assert {one for one in needed - digested if not one.startswith("models.catalog.")} <= NOT_TRAINING
