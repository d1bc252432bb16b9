"""A network is saved, loaded and exported without a change in what it answers."""

import keras
import numpy as np
import pytest

import models

# One of each family; the custom layers of the papers' own forms are among them.
SAVED = [
    ("lenet5", {}),
    ("lenet5_1998", {}),
    ("zfnet", {}),
    ("vgg11_lrn", {}),
    ("googlenet", {}),
    ("resnet20", {"shortcut": "a"}),
    ("densenet40", {}),
    ("allcnn_c", {}),
    ("mobilenet", {"alpha": 0.25}),
]


def networks(slow=()):
    """Every registered name; those that nobody waits for are marked."""
    options = dict(SAVED)
    return [
        pytest.param(
            name, options.get(name, {}), id=name, marks=[pytest.mark.slow] * (name not in options or name in slow)
        )
        for name in models.names()
    ]


def small(name, **options):
    return models.create(name, input_shape=(8, 8, 1), num_classes=10, form="small", **options)


@pytest.mark.parametrize(("name", "options"), networks())
def test_it_survives_the_format_of_keras(name, options, digits, answer, tmp_path):
    model = small(name, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(answer(loaded, digits[0]), answer(model, digits[0]))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Only TensorFlow writes a SavedModel.")
# The tracing of many branches takes a minute.
@pytest.mark.parametrize(("name", "options"), networks(slow=("googlenet", "densenet40")))
def test_it_survives_as_a_saved_model(name, options, digits, answer, tmp_path):
    import tensorflow as tf

    model = small(name, **options)
    model.export(tmp_path / "servable", verbose=False)
    servable = tf.saved_model.load(tmp_path / "servable")
    np.testing.assert_allclose(servable.serve(digits[0]), answer(model, digits[0]), atol=1e-5, rtol=1e-5)


# One for each initializer of ours, and for each of Keras's in use.
@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "vgg11", "mobilenet"])
def test_the_same_seed_starts_the_same_network(name):
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return small(name).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))
