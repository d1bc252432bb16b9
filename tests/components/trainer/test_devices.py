"""What trains: one device, or several with one result."""

import numpy as np
import pytest
import tensorflow as tf


def train_on(devices, run_training, root, recipe):
    """Trains in a process with so many logical devices; they must be made before TensorFlow does anything."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    _, recorded = run_training(root, **recipe)
    return recorded


@pytest.fixture
def curves(in_child, run_training, tmp_path):
    def train(devices, **recipe):
        return in_child(train_on, devices, run_training, tmp_path / f"{devices}", recipe)

    return train


# No batch norm, which takes its statistics from each device's part of the batch; 320 images are ten batches of 32.
@pytest.mark.parametrize("recipe", [{"architecture": "lenet5"}, {"architecture": "lenet5", "ema": 0.9, "patience": 2}])
def test_two_devices_have_the_loss_curve_of_one(curves, recipe):
    one, two = (curves(devices, epochs=3, batch_size=32, **recipe) for devices in (1, 2))
    assert (len(one["devices"]), len(two["devices"])) == (1, 2)
    for name, values in one["history"].items():
        np.testing.assert_allclose(two["history"][name], values, rtol=2e-3, err_msg=name)
    assert two["history"]["loss"][-1] < two["history"]["loss"][0]


def test_what_several_devices_trained_is_served_as_one_model(curves):
    """320 images are three batches of 106 and two images; batch norms see no batch without images."""
    recorded = curves(2, architecture="resnet20", epochs=2, batch_size=106)
    assert np.isfinite(recorded["history"]["val_loss"]).all()
    assert recorded["history"]["val_loss"][1] < 3


def test_xla_by_choice_trains_alike(run_training, tmp_path):
    usual, compiled = (
        run_training(tmp_path / str(xla), epochs=2, xla=xla)[1]["history"]["loss"] for xla in ("auto", True)
    )
    np.testing.assert_allclose(compiled, usual, rtol=1e-3)
