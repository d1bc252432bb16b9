"""`run_fn` from transformed examples to a SavedModel."""

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.utils import json_utils

import models
from components import progress
from components.dataset_gen import scans
from components.trainer import input_pipeline, run, splits
from components.trainer.run import DivergedError, MemoryShortError
from components.trainer.splits import Split
from models.recipes import Recipe


def weights(saved_model):
    checkpoint = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
    return {
        name: checkpoint.get_tensor(name)
        for name in checkpoint.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def test_records_what_was_trained_and_how_it_went(lenet5):
    _, recorded = lenet5
    facts = models.describe("lenet5", input_shape=(8, 8, 1), num_classes=10, form="small")
    assert recorded["architecture"] == facts
    assert recorded["served_params"] == facts["params"]
    assert recorded["form"] == "small"
    assert recorded["recipe"]["epochs"] == 2
    assert set(recorded["history"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 2 for values in recorded["history"].values())
    assert recorded["history"]["loss"][1] < recorded["history"]["loss"][0]
    assert recorded["train_seconds"] > 0
    assert recorded["versions"] == {"tensorflow": tf.__version__, "keras": keras.__version__}
    assert recorded["devices"][0] == "/device:CPU:0"


def test_what_is_exported_is_what_was_trained(lenet5, few):
    """The exported model reaches the validation accuracy that `fit` recorded for its last epoch."""
    path, recorded = lenet5
    _, accuracy = validated(path, few)
    assert accuracy == pytest.approx(recorded["history"]["val_accuracy"][-1], abs=1e-6)
    assert accuracy > 0.2


def validated(path, few):
    """Returns the cross-entropy and the accuracy of an exported model on the validation split."""
    pixels, labels = next(iter(input_pipeline.batches(Split.counted([few[1]], (8, 8, 1), 10), 64)))
    answer = tf.saved_model.load(str(path)).signatures["pixels"](images=pixels)
    right = np.take_along_axis(answer["probabilities"].numpy(), labels.numpy()[:, np.newaxis], axis=1)
    return float(-np.log(right).mean()), float(np.mean(answer["class_id"].numpy() == labels.numpy()))


def test_training_ends_when_the_loss_falls_no_more_and_the_best_epoch_is_served(run_training, few, tmp_path):
    """A step size that is too large in the middle of training, when the warm-up ends, undoes what was learnt."""
    recipe = {"learning_rate": 2.0, "schedule": "constant", "warmup_epochs": 30.0, "label_smoothing": 0.0}
    path, recorded = run_training(tmp_path / "1", epochs=40, patience=3, **recipe)
    losses = recorded["history"]["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 40
    assert validated(path, few)[0] == pytest.approx(losses[best], rel=1e-4)
    assert losses[best] < 0.99 * losses[-1]


@pytest.mark.parametrize("patience", [0, 2])
def test_averaged_weights_are_what_is_validated_and_served(run_training, lenet5, few, tmp_path, patience):
    path, recorded = run_training(tmp_path / "1", epochs=2, ema=0.9, patience=patience)
    assert recorded["history"]["loss"] == pytest.approx(lenet5[1]["history"]["loss"], rel=1e-4)
    assert recorded["history"]["val_loss"] != pytest.approx(lenet5[1]["history"]["val_loss"], rel=1e-2)
    best = int(np.argmin(recorded["history"]["val_loss"])) if patience else -1
    assert validated(path, few)[1] == pytest.approx(recorded["history"]["val_accuracy"][best], abs=1e-6)


def test_one_seed_gives_the_same_weights_again_and_another_others(lenet5, run_training, tmp_path):
    first = weights(lenet5[0])
    again, recorded = run_training(tmp_path / "again", epochs=2)
    assert recorded["history"] == lenet5[1]["history"]
    for name, value in weights(again).items():
        np.testing.assert_array_equal(value, first[name], err_msg=name)
    other, _ = run_training(tmp_path / "other", epochs=2, seed=1)
    assert any(not np.array_equal(value, first[name]) for name, value in weights(other).items())


def test_tells_the_runner_about_every_epoch(run_training, tmp_path):
    events = []
    progress.listen(events.append)
    try:
        _, recorded = run_training(tmp_path, epochs=3)
    finally:
        progress.listen(lambda event: None)
    begun = events.pop(0)
    assert begun["model_uri"] == str(tmp_path / "model")
    assert json.loads(json.dumps(begun["training"]["recipe"])) == recorded["recipe"]
    assert [(event["epoch"], event["epochs"]) for event in events] == [(1, 3), (2, 3), (3, 3)]
    rates = [event["learning_rate"] for event in events]
    assert 0 < rates[0] < rates[1] < recorded["recipe"]["learning_rate"], "the warm-up has just begun"
    assert 0 < rates[2] < rates[1], "of the start of the last epoch: at its end, a cosine is 0"
    assert [event["val_accuracy"] for event in events] == recorded["history"]["val_accuracy"]
    assert all(event["images_per_second"] > 0 for event in events)
    left = [event["seconds_left"] for event in events]
    assert left[0] > 0
    assert left[-1] == 0


def test_a_loss_that_is_no_number_fails_and_names_the_epoch(run_training, tmp_path):
    with pytest.raises(DivergedError) as error:
        run_training(tmp_path, epochs=3, optimizer="sgd", learning_rate=1e38, schedule="constant")
    assert "in step 3 of epoch 1 of lenet5; try a `learning_rate` below 1e+38" in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing is exported"


@pytest.mark.parametrize("patience", [0, 5])
def test_what_the_last_step_threw_off_is_not_served(run_training, tmp_path, patience):
    """In one step an epoch, no loss of training comes after the step that does it."""
    recipe = {"batch_size": 320, "optimizer": "sgd", "learning_rate": 1e38, "schedule": "constant", "clip_norm": 0.0}
    with pytest.raises(DivergedError, match=r"A finite validation loss is required. Received: (nan|inf) of lenet5"):
        run_training(tmp_path, epochs=1, warmup_epochs=0, patience=patience, **recipe)
    assert not (tmp_path / "model").exists()


def test_out_of_memory_names_the_batch_size_and_a_smaller_one(run_training, tmp_path, monkeypatch):
    """What TensorFlow raises is real, of an allocation that no machine can grant."""
    monkeypatch.setattr(run._Finite, "on_train_batch_end", lambda *_, **__: tf.zeros([2**45]))
    with pytest.raises(MemoryShortError, match=r"Received: `batch_size` 32 of lenet5, which doesn't; try 16\."):
        run_training(tmp_path / "1", epochs=1)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_for_training_alone(run_training, tmp_path, precision):
    path, recorded = run_training(tmp_path, precision=precision, epochs=2)
    assert recorded["history"]["loss"][1] < recorded["history"]["loss"][0]
    assert {value.dtype.name for value in weights(path).values()} == {"float32"}
    signatures = tf.saved_model.load(str(path)).signatures
    (images,) = (scans.load_images()[0][:8],)
    dtypes = {output.dtype for concrete in signatures.values() for output in concrete.structured_outputs.values()}
    assert dtypes == {tf.float32, tf.int64, tf.string}
    halves = {tf.bfloat16, tf.float16}
    for concrete in signatures.values():
        used = {tensor.dtype for operation in concrete.graph.get_operations() for tensor in operation.outputs}
        assert not used & halves
    probabilities = signatures["pixels"](images=tf.constant(images))["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_options_reach_the_network_and_the_record(run_training, tmp_path):
    path, recorded = run_training(tmp_path, "mobilenet", options={"alpha": 0.125}, epochs=1, warmup_epochs=0)
    expected = models.create("mobilenet", input_shape=(8, 8, 1), num_classes=10, form="small", alpha=0.125)
    assert recorded["architecture"]["params"] == expected.count_params()
    stored = sum(math.prod(value.shape) for value in weights(path).values())
    assert stored == recorded["served_params"]
    # What four numbers a map did for each batch norm, one bias does.
    maps = sum(layer.gamma.shape[0] for layer in expected.layers if hasattr(layer, "gamma"))
    assert stored == expected.count_params() - 3 * maps


def test_augmentation_is_for_training_alone(few, run_training, tmp_path):
    """It reaches neither the validation images nor the served graph, and the seed decides it."""
    changes = {"epochs": 2, "flip": True, "shift": 0.125, "rotation": 10.0, "crop": 0.8, "colour": 0.1}
    changes |= {"rand_augment": 0.3, "erasing": 0.25, "mixup": 0.4, "cutmix": 1.0}
    path, recorded = run_training(tmp_path / "one", **changes)
    again, repeated = run_training(tmp_path / "again", **changes)
    plain, unchanged = run_training(tmp_path / "plain", epochs=2)
    assert recorded["history"] == repeated["history"] != unchanged["history"]
    for name, value in weights(again).items():
        np.testing.assert_array_equal(value, weights(path)[name], err_msg=name)
    assert operations(path) == operations(plain)
    answer = tf.saved_model.load(str(path)).signatures["pixels"]
    pixels, labels = next(iter(input_pipeline.batches(Split.counted([few[1]], (8, 8, 1), 10), 64)))
    accuracy = float(np.mean(answer(images=pixels)["class_id"].numpy() == labels.numpy()))
    assert accuracy == pytest.approx(recorded["history"]["val_accuracy"][-1], abs=1e-6)


def test_mixed_images_are_learnt_from(run_training, tmp_path):
    """Labels are shares then: in the loss with all that a recipe may ask of it, and in the accuracy."""
    recipe = {"mixup": 0.2, "balanced": True, "label_smoothing": 0.1, "ema": 0.5, "patience": 20}
    _, recorded = run_training(tmp_path, epochs=20, **recipe)
    assert recorded["history"]["val_accuracy"][-1] > 0.8
    assert recorded["history"]["accuracy"][-1] > 0.6


def test_each_split_is_counted_once(run_training, tmp_path, monkeypatch):
    counted, count = [], splits._count
    monkeypatch.setattr(splits, "_count", lambda file, classes: counted.append(Path(file).name) or count(file, classes))
    opened, records = [], splits.records
    monkeypatch.setattr(splits, "records", lambda files: opened.append(files) or records(files))
    run_training(tmp_path, epochs=1)
    assert sorted(counted) == ["train-00000-of-00001.gz", "validation-00000-of-00001.gz"]
    # Each is counted and read; of one the statistics of the pixels are taken, of the other a batch to begin with.
    assert len(opened) == 6


def operations(saved_model):
    graph = (
        saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    )
    return Counter(node.op for function in graph.library.function for node in function.node_def)


def test_auxiliary_heads_are_trained_and_not_served(few, transformed, tmp_path, monkeypatch):
    """GoogLeNet as the paper has it, on a few enlarged digits."""
    train, trained = run.train, []
    monkeypatch.setattr(run, "train", lambda *given, **team: trained.append(train(*given, **team)) or trained[0])
    files = [first_records(few[0], 16, tmp_path / "few.gz")]
    recipe = Recipe(learning_rate=0.001, epochs=1, batch_size=8, auxiliary_weight=0.3)
    arguments = fn_args(tmp_path, files, "googlenet", "paper", (65, 65, 1), recipe)
    arguments.transform_graph_path = transformed["transform_graph"].uri
    run.run_fn(arguments)

    ((model, done),) = trained
    assert model.output_shape == (None, 3, 10)
    assert set(done.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    keras.utils.set_random_seed(recipe.seed)
    fresh = models.create("googlenet", input_shape=(65, 65, 1), num_classes=10)
    pairs = zip(model.get_layer("googlenet").trainable_weights, fresh.trainable_weights, strict=True)
    assert [now.path for now, then in pairs if np.array_equal(now.numpy(), then.numpy())] == [], (
        "weights that did not move"
    )

    facts = models.describe("googlenet", input_shape=(65, 65, 1), num_classes=10, heads=False)
    served = weights(Path(arguments.serving_model_dir))
    assert sum(math.prod(value.shape) for value in served.values()) == facts["params"]
    pixels, labels = next(iter(input_pipeline.batches(Split.counted(files, (65, 65, 1), 10), 16)))
    answer = tf.saved_model.load(arguments.serving_model_dir).signatures["pixels"](images=pixels)
    assert float(np.mean(answer["class_id"].numpy() == labels.numpy())) == done.history["val_accuracy"][-1]
    own = model(pixels, training=False)[:, 0]
    np.testing.assert_allclose(answer["probabilities"], tf.nn.softmax(own), rtol=0, atol=1e-4)


def first_records(pattern, count, path):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in tf.data.TFRecordDataset(tf.io.gfile.glob(pattern), "GZIP").take(count).as_numpy_iterator():
            writer.write(record)
    return str(path)


def fn_args(root, files, architecture, form, image_shape, recipe):
    return FnArgs(
        train_files=files,
        eval_files=files,
        serving_model_dir=str(root / "model"),
        model_run_dir=str(root / "model_run"),
        custom_config={
            "architecture": architecture,
            "form": form,
            "options": {},
            "recipe": dataclasses.asdict(recipe),
            "image_shape": list(image_shape),
            "class_names": list("0123456789"),
            "precision": "float32",
            "xla": "auto",
        },
    )


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("form", ["paper", "small"])
def test_every_recipe_comes_through_tfx_as_it_is(name, form, tmp_path):
    recipe = models.recipe(name, form)
    config = fn_args(tmp_path, [], name, form, (32, 32, 3), recipe).custom_config
    read = run.TrainingPlan.from_config(json_utils.loads(json_utils.dumps(config)))
    assert read.recipe == recipe
    assert {field: type(value) for field, value in vars(read.recipe).items()} == {
        field: type(value) for field, value in vars(recipe).items()
    }
    assert (read.image_shape, read.class_names) == ((32, 32, 3), tuple("0123456789"))


def test_flags_come_through_tfx_as_flags(tmp_path):
    recipe = Recipe(flip=True, nesterov=True, crop=0.5, schedule="step", milestones=(0.5, 0.75))
    config = fn_args(tmp_path, [], "lenet5", "small", (8, 8, 1), recipe).custom_config
    assert run.TrainingPlan.from_config(json_utils.loads(json_utils.dumps(config))).recipe == recipe


def test_a_precision_stays_with_the_training(run_training, tmp_path):
    run_training(tmp_path, precision="mixed_bfloat16", epochs=1, warmup_epochs=0)
    assert keras.config.dtype_policy().name == "float32"
