"""What the data call their classes, and what the model that was exported answers with."""

import dataclasses

import pytest
import tensorflow as tf

import models
from components.dataset_gen import scans
from components.trainer import classes, run

NAMES = list("0123456789")


def test_counts_every_class_of_the_train_split_and_no_other(transformed):
    _, labels = scans.load_images()
    train = labels[scans.split_rows(labels)["train"]].tolist()
    expected = [(label, str(label), train.count(label)) for label in range(10)]
    assert classes.counted(transformed["transform_graph"].uri) == expected


def test_the_exported_model_answers_with_the_names_of_the_data(transformed, lenet5, questions):
    said = {label: name for label, name, _ in classes.counted(transformed["transform_graph"].uri)}
    signatures = tf.saved_model.load(str(lenet5[0])).signatures
    answer = signatures["serving_default"](image_bytes=tf.constant([one.encoded for one in questions]))
    assert len(set(answer["class_id"].numpy())) > 1
    for class_id, name in zip(answer["class_id"].numpy(), answer["class_name"].numpy(), strict=True):
        assert name.decode() == said[class_id]


@pytest.fixture
def folder(tmp_path):
    """Writes a transform graph's asset of these lines."""

    def write(*lines):
        assets = tmp_path / "transform_fn" / "assets"
        assets.mkdir(parents=True)
        (assets / "classes").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(tmp_path)

    return write


def test_a_name_may_have_spaces_and_any_letters(folder):
    names = ["great white shark", " Käfer\u2028", "7 8"]
    graph = folder(*(f"5 {label} {name}" for label, name in enumerate(names)))
    classes.require(graph, names)
    assert [name for _, name, _ in classes.counted(graph)] == names


def test_a_class_without_examples_is_no_objection(folder):
    classes.require(folder("5 0 cat", "5 2 dog"), ["cat", "cow", "dog"])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["dog", "cat"], "Label 0 must be 'dog' as `class_name`, .* Received: 'cat' in 5,000 examples"),
        (["cat", "Dog"], "Label 1 must be 'Dog' as `class_name`, .* Received: 'dog' in 5,000 examples"),
        (["cat"], "Label 1 must be less than 1, .* Received: 'dog' in 5,000 examples"),
    ],
)
def test_other_names_are_refused_even_where_all_classes_are_as_frequent(folder, names, sentence):
    with pytest.raises(classes.ClassNamesError, match=sentence):
        classes.require(folder("5000 1 dog", "5000 0 cat"), names)


def test_training_is_refused_before_it_begins(few, transformed, tmp_path, monkeypatch):
    from tfx.components.trainer.fn_args_utils import FnArgs

    monkeypatch.setattr(run, "train", lambda *given, **named: pytest.fail("trained"))
    config = {
        "architecture": "lenet5",
        "form": "small",
        "options": {},
        "recipe": dataclasses.asdict(models.recipe("lenet5", "small")),
        "image_shape": [8, 8, 1],
        "class_names": [*NAMES[1:], "0"],
        "precision": "float32",
        "xla": "auto",
    }
    arguments = FnArgs(
        train_files=[few[0]],
        eval_files=[few[1]],
        transform_graph_path=transformed["transform_graph"].uri,
        serving_model_dir=str(tmp_path / "model"),
        model_run_dir=str(tmp_path / "1" / "model_run"),
        custom_config=config,
    )
    with pytest.raises(classes.ClassNamesError, match="Label 0 must be '1'"):
        run.run_fn(arguments)
    assert not (tmp_path / "model").exists()
