"""`run_fn` from transformed examples to a SavedModel."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from components import progress
from components.dataset_gen import scans
from components.trainer.run import DivergedError


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
    from components.trainer import input_pipeline

    path, recorded = lenet5
    (pixels, labels) = next(iter(input_pipeline.batches([few[1]], (8, 8, 1), 64)))
    answer = tf.saved_model.load(str(path)).signatures["pixels"](images=pixels)
    accuracy = float(np.mean(answer["class_id"].numpy() == labels.numpy()))
    assert accuracy == pytest.approx(recorded["history"]["val_accuracy"][-1], abs=1e-6)
    assert accuracy > 0.2


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
    assert [(event["epoch"], event["epochs"]) for event in events] == [(1, 3), (2, 3), (3, 3)]
    assert [event["val_accuracy"] for event in events] == recorded["history"]["val_accuracy"]
    assert all(event["images_per_second"] > 0 for event in events)


def test_a_loss_that_is_no_number_fails_and_names_the_epoch(run_training, tmp_path):
    with pytest.raises(DivergedError) as error:
        run_training(tmp_path, epochs=3, optimizer="sgd", learning_rate=1e38, schedule="constant")
    assert "in epoch 1 of lenet5; try a `learning_rate` below 1e+38" in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing is exported"


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
    assert stored == expected.count_params()
