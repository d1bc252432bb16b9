"""They learn: every weight is told which way to go, and a batch of real digits is known by heart."""

import keras
import numpy as np
import pytest

import models

QUICK = (
    "lenet5",
    "lenet5_1998",
    "zfnet",
    "vgg11",
    "googlenet",
    "resnet18",
    "resnet20",
    "densenet40",
    "allcnn_c",
    "mobilenet",
)
LEARNERS = [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in models.names()]


class Gradients(keras.optimizers.Optimizer):
    """Puts the gradient in the place of the weight: the same code under every backend."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, gradient)


def gradients(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """Returns the loss, and the gradient of every weight that can have one; the weights come back as they were.

    A bias before a batch norm has none: the norm takes away whatever it adds. VGG keeps its own there.
    """
    before = model.get_weights()
    model.compile(Gradients(learning_rate=1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loss, *_ = np.ravel(model.train_on_batch(images, [labels] * len(model.outputs)))
    normed = {layer.name.removesuffix("_bn") for layer in model.layers if layer.name.endswith("_bn")}
    idle = {f"{name}/bias" for name in normed}
    found = {weight.path: np.asarray(weight) for weight in model.trainable_weights if weight.path not in idle}
    model.set_weights(before)
    return float(loss), found


@pytest.mark.parametrize("name", LEARNERS)
def test_it_memorises_a_batch_of_real_digits(name, digits, answer):
    images, labels = digits
    model = models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    loss, slopes = gradients(model, images, labels)
    assert np.isfinite(loss)
    assert [path for path, slope in slopes.items() if not np.isfinite(slope).all() or not slope.any()] == []

    recipe = models.recipe(name, "small")
    model.compile(
        keras.optimizers.SGD(recipe.learning_rate / 4, momentum=recipe.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for step in range(1, 121):
        model.train_on_batch(images, labels)
        if step % 10 == 0 and (np.argmax(answer(model, images), axis=-1) == labels).all():
            return
    pytest.fail(f"After {step} steps {name} still takes some of 32 digits for others.")


def test_the_heads_of_googlenet_teach_what_lies_below_them():
    """Without the network's own output the gradient of each head still reaches the stem, and nothing above the head."""
    images = np.random.default_rng(0).normal(size=(4, 65, 65, 3)).astype("float32")
    model = models.create("googlenet", input_shape=(65, 65, 3), num_classes=10)
    loss, slopes = gradients(model, images, np.arange(4))
    assert np.isfinite(loss)
    assert [path for path, slope in slopes.items() if not np.isfinite(slope).all() or not slope.any()] == []

    head = keras.Model(model.inputs, model.outputs[1])
    _, below = gradients(head, images, np.arange(4))
    assert {path.split("/")[0] for path in below} >= {"conv1", "inception4a_5x5", "head4a_fc", "head4a_logits"}
    assert not any(path.startswith(("inception4b", "head4d", "logits")) for path in below)
    assert all(slope.any() for slope in below.values())
