"""Every check runs over every registered name; what needs weights with values, over the smallest of each design."""

import inspect
import re
from importlib import import_module

import keras
import numpy as np
import pytest

import models
from models.registry import outline

NAMES = models.names()
FORMS = [(name, form) for name in NAMES for form in models.variant(name).forms]
SMALLEST = (
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
# A pixel, digits' scans, MNIST's, CIFAR's, one that is not square, and a photograph's; with numbers of classes.
SHAPES = {(1, 1, 1): 10, (8, 8, 1): 7, (28, 28, 1): 1, (32, 32, 3): 100, (40, 24, 3): 2, (224, 224, 3): 1000}
# Names that Keras makes up where none is given.
AUTOMATIC = re.compile(r"(\w*conv2d|dense|re_lu|\w*normalization|\w*pooling2d|add|\w*concatenate|dropout)_\d+$")


def test_the_smallest_are_of_every_family():
    assert {models.variant(name).family for name in SMALLEST} == {models.variant(name).family for name in NAMES}


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_form_takes_the_smallest_image_it_says(name, form):
    """One that is not square, for two classes; every layer has at least a pixel left to look at."""
    side = models.variant(name).forms[form].min_side
    model = outline(name, input_shape=(side + 5, side, 2), num_classes=2, form=form)
    assert (model.name, model.inputs[0].name, model.inputs[0].shape) == (name, "images", (None, side + 5, side, 2))
    assert all((logits.shape, logits.dtype) == ((None, 2), "float32") for logits in model.outputs)
    assert all(0 not in layer.output.shape for layer in model.layers)
    assert (model.layers[-1].name == "logits") == (len(model.outputs) == 1)
    assert [layer.name for layer in model.layers if AUTOMATIC.match(layer.name)] == []


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SMALLEST)
def test_any_image_and_any_number_of_classes(name, shape):
    fitting = [form for form, declared in models.variant(name).forms.items() if declared.accepts(min(shape[:2]))]
    assert "small" in fitting
    for form in fitting:
        model = outline(name, input_shape=shape, num_classes=SHAPES[shape], form=form)
        assert {logits.shape for logits in model.outputs} == {(None, SHAPES[shape])}


@pytest.mark.parametrize("name", SMALLEST)
def test_it_answers_in_logits(name, answer):
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype("float32")
    logits = answer(models.create(name, input_shape=(8, 8, 1), num_classes=7, form="small"), images)
    assert (logits.shape, logits.dtype) == ((3, 7), "float32")
    assert np.isfinite(logits).all()
    assert np.min(logits) < 0  # Probabilities would not be.
    assert logits.std(axis=0).min() > 0  # Different images, different answers.


@pytest.mark.parametrize("side", [4, 16])
@pytest.mark.parametrize("name", ["vgg11", "resnet20", "densenet40"])
def test_a_network_infers_unless_training_is_asked_for(name, side):
    """Resized images or not, a batch norm uses its statistics, and in training the batch's."""
    images = np.random.default_rng(0).normal(size=(3, side, side, 1)).astype("float32")
    model = models.create(name, input_shape=(side, side, 1), num_classes=7, form="small")
    asked = np.asarray(model(images, training=False))
    assert np.array_equal(model(images), asked)
    assert not np.allclose(model(images, training=True), asked, atol=1e-2)


def test_the_heads_of_googlenet_answer_beside_it():
    model = outline("googlenet", input_shape=(65, 65, 3), num_classes=10)
    assert [logits._keras_history.operation.name for logits in model.outputs] == [
        "logits",
        "head4a_logits",
        "head4d_logits",
    ]
    assert len(outline("googlenet", input_shape=(65, 65, 3), num_classes=10, heads=False).outputs) == 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", SMALLEST)
def test_logits_stay_float32_under_mixed_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = outline(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    finally:
        keras.config.set_dtype_policy("float32")
    half = policy.removeprefix("mixed_")
    kinds = {layer.name: layer.compute_dtype for layer in model.layers[1:]}
    assert {name for name, dtype in kinds.items() if dtype == "float32"} == {"logits"}
    assert set(kinds.values()) == {half, "float32"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_a_row_are_arguments_of_its_builder(name):
    row = models.variant(name)
    parameters = list(inspect.signature(import_module(f"models.{row.family}").build).parameters)
    named = {*row.options, *row.tunable, *(key for form in row.forms.values() for key in form.options)}
    assert parameters[:2] == ["inputs", "num_classes"]
    assert named <= set(parameters[2:])


@pytest.mark.parametrize("name", NAMES)
def test_every_default_of_an_option_is_one_it_accepts(name):
    row = models.variant(name)
    for form in row.forms.values():
        for key, option in row.tunable.items():
            assert option.accepts(form.options.get(key, option.default))


@pytest.mark.parametrize("name", [*SMALLEST, "inception_v1_slides", "resnet50"])
def test_every_choice_makes_a_network(name):
    for key, option in models.variant(name).tunable.items():
        for value in option.values if isinstance(option, models.Choice) else ():
            outline(name, input_shape=(32, 32, 3), num_classes=10, form="small", **{key: value})


@pytest.mark.parametrize("alpha", [0.05, 4.0])
def test_the_thinnest_and_the_widest_network(alpha):
    outline("mobilenet", input_shape=(32, 32, 3), num_classes=10, alpha=alpha)
