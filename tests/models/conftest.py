from collections.abc import Callable

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(autouse=True)
def _fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def digits():
    """The first 32 of scikit-learn's scans, normalised: float32 [32, 8, 8, 1], and their labels."""
    scans = load_digits()
    images = scans.images[:32, ..., np.newaxis].astype("float32")
    return (images - images.mean()) / images.std(), scans.target[:32]


@pytest.fixture(scope="session")
def answer() -> Callable[[keras.Model, np.ndarray], np.ndarray]:
    """Returns a network's own logits by the backend's fastest way to a first answer.

    TensorFlow runs hundreds of operations one by one sooner than it traces them; JAX compiles them as one sooner than
    one by one.
    """

    def logits(network: keras.Model, images: np.ndarray) -> np.ndarray:
        one_by_one = keras.backend.backend() == "tensorflow"
        outputs = network(images, training=False) if one_by_one else network.predict_on_batch(images)
        return np.asarray(outputs[0] if isinstance(outputs, list) else outputs)

    return logits
