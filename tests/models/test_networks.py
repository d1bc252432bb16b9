"""Every check runs over every registered name."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import models

NAMES = models.names()
SMALL_SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3)]


@pytest.fixture(autouse=True)
def _fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.mark.parametrize("shape", SMALL_SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_small_form_takes_every_small_image(name, shape):
    model = models.create(name, input_shape=shape, num_classes=7, form="small")
    logits = model(np.random.default_rng(0).normal(size=(3, *shape)).astype("float32"))
    assert (logits.shape, logits.dtype) == ((3, 7), "float32")
    assert (model.name, model.input.name, model.input.shape) == (name, "images", (None, *shape))
    assert np.isfinite(logits).all()
    assert np.min(logits) < 0  # probabilities would not be


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_named_by_their_place(name):
    form = models.variant(name).forms["paper"]
    model = models.create(name, input_shape=form.input_shape, num_classes=10)
    assert model.layers[-1].name == "logits"
    automatic = re.compile(r"(\w*conv2d|dense|re_lu|\w*normalization|\w*pooling2d|add|padded_shortcut)(_\d+)?$")
    assert [layer.name for layer in model.layers if automatic.match(layer.name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_logits_stay_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[2].compute_dtype == "bfloat16"
    assert model(np.zeros((1, 8, 8, 1), "float32")).dtype == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_it_memorises_a_batch_of_real_digits(name, digits):
    images, labels = digits
    recipe = models.recipe(name, "small")
    model = models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    model.compile(
        keras.optimizers.SGD(recipe.learning_rate / 4, momentum=recipe.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for _ in range(80):
        model.train_on_batch(images, labels)
    assert (np.argmax(model(images), axis=-1) == labels).all()


# Keras 3.15 asks TensorFlow's variables for an array the way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_it_survives_both_formats(name, digits, tmp_path):
    images, _ = digits
    model = models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small")
    expected = np.asarray(model(images))
    model.save(tmp_path / "model.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "model.keras")(images), expected)
    model.export(tmp_path / "servable", verbose=False)
    servable = tf.saved_model.load(tmp_path / "servable")
    np.testing.assert_allclose(servable.serve(images), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_starts_the_same_network(name):
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small").get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1, 1), (0, 8, 1), (8, -8, 1), (8, 8, 0), (8.0, 8, 1), ("8", 8, 1)], ids=str
)
def test_a_malformed_shape_is_refused(shape):
    with pytest.raises(ValueError, match="`input_shape` must be height, width and channels"):
        models.create("resnet20", input_shape=shape, num_classes=10)


@pytest.mark.parametrize("classes", [0, -1, 2.5, True, "10"])
def test_malformed_classes_are_refused(classes):
    with pytest.raises(ValueError, match=r"`num_classes` must be a positive integer\. Received"):
        models.create("resnet20", input_shape=(32, 32, 3), num_classes=classes)


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        (
            "lenet5",
            (40, 15, 1),
            "`input_shape` must be at least 16 pixels a side for lenet5 in its 'paper' form. Received: 40x15x1. "
            "Use form='small', which takes any side (below 12 pixels it resizes to 28x28).",
        ),
        (
            "allcnn_c",
            (8, 32, 3),
            "`input_shape` must be at least 9 pixels a side for allcnn_c in its 'paper' form. Received: 8x32x3. "
            "Use form='small', which takes sides from 1 on.",
        ),
    ],
)
def test_images_too_small_are_refused_with_the_way_out(name, shape, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        models.create(name, input_shape=shape, num_classes=10)


def test_an_unknown_form_is_refused():
    with pytest.raises(
        ValueError, match=r"`form` must be one of paper, small\. Received: 'papre'\. Did you mean 'paper'"
    ):
        models.create("lenet5", input_shape=(32, 32, 1), num_classes=10, form="papre")


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"must be one of: alpha, dropout, bn_momentum\. Received: 'alfa'\. Did you mean"
    ):
        models.create("mobilenet", input_shape=(32, 32, 3), num_classes=10, alfa=0.5)
    with pytest.raises(ValueError, match=r"An option of lenet5 must be one of: none\. Received: 'pad_below'\."):
        models.create("lenet5", input_shape=(32, 32, 3), num_classes=10, pad_below=3)


@pytest.mark.parametrize("alpha", [0, -1.0, 5, "1", True, float("nan")])
def test_an_option_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"`alpha` must be a number from 0\.05 to 4\.0\. Received"):
        models.create("mobilenet", input_shape=(32, 32, 3), num_classes=10, alpha=alpha)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_a_row_are_arguments_of_its_builder(name):
    import inspect
    from importlib import import_module

    row = models.variant(name)
    parameters = list(inspect.signature(import_module(f"models.{row.family}").build).parameters)
    named = {*row.options, *row.tunable, *(key for form in row.forms.values() for key in form.options)}
    assert parameters[:2] == ["inputs", "num_classes"]
    assert named <= set(parameters[2:])
