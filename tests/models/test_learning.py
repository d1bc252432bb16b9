"""They learn: every weight is told which way to go, and a batch of real digits is known by heart."""

import keras
import numpy as np
import pytest

import models

# The smallest of each design, and what TensorFlow is quick at but JAX, on a CPU, is not; the others take minutes.
QUICK = ["lenet5", "lenet5_1998", "vgg11", "resnet20", "allcnn_c", "mobilenet"]
QUICK += ["zfnet", "googlenet", "resnet18", "densenet40"] * (keras.backend.backend() == "tensorflow")
LEARNERS = [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in models.names()]


class WatchedSGD(keras.optimizers.SGD):
    """Keeps the gradient of the last step for us to look at, under any backend."""

    def build(self, variables):
        super().build(variables)
        self.slopes = [self.add_variable_from_reference(one, name="slope") for one in variables]

    def update_step(self, gradient, variable, learning_rate):
        self.assign(self.slopes[self._get_variable_index(variable)], gradient)
        super().update_step(gradient, variable, learning_rate)


def compiled(model: keras.Model, learning_rate: float, **options: object) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(WatchedSGD(learning_rate, momentum=0.9), loss, **options)
    return model


def assert_every_weight_was_told(model: keras.Model) -> None:
    """Looks for a weight whose gradient is zero all over, or no number.

    A bias before a batch norm is left out: the norm takes away whatever it adds. VGG, as usual, keeps its own there.
    """
    normed = {layer.name.removesuffix("_bn") for layer in model.layers if layer.name.endswith("_bn")}
    slopes = zip(model.trainable_weights, map(np.asarray, model.optimizer.slopes), strict=True)
    told = {weight.path: np.isfinite(slope).all() and slope.any() for weight, slope in slopes}
    assert {path for path, well in told.items() if not well} <= {f"{name}/bias" for name in normed}


@pytest.mark.parametrize("name", LEARNERS)
def test_it_memorises_a_batch_of_real_digits(name, digits, answer):
    images, labels = digits
    model = models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    compiled(model, models.recipe(name, "small").learning_rate / 4)
    assert np.isfinite(model.train_on_batch(images, labels))
    assert_every_weight_was_told(model)
    for step in range(2, 121):
        model.train_on_batch(images, labels)
        if step % 10 == 0 and (np.argmax(answer(model, images), axis=-1) == labels).all():
            return
    pytest.fail(f"After {step} steps {name} still takes some of 32 digits for others.")


@pytest.mark.parametrize("head", [None, 1])
def test_the_heads_of_googlenet_teach_what_lies_below_them(head):
    """All three outputs together teach every weight; a head alone all those below it."""
    images = np.random.default_rng(0).normal(size=(4, 65, 65, 3)).astype("float32")
    whole = models.create("googlenet", input_shape=(65, 65, 3), num_classes=10)
    model = whole if head is None else keras.Model(whole.input, whole.outputs[head])
    # A step taken one operation at a time is quicker than the tracing of it; JAX can only compile.
    compiled(model, 0.01, run_eagerly=keras.backend.backend() == "tensorflow")
    assert np.isfinite(model.train_on_batch(images, [np.arange(4)] * len(model.outputs))).all()
    assert_every_weight_was_told(model)
    taught = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert taught >= {"conv1", "inception4a_5x5", "head4a_fc", "head4a_logits"}
    assert ("inception4b_5x5" in taught) == (head is None)
