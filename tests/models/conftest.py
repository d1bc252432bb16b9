import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """The first 32 of scikit-learn's scans, normalised: float32 [32, 8, 8, 1], and their labels."""
    scans = load_digits()
    images = scans.images[:32, ..., np.newaxis].astype("float32")
    return (images - images.mean()) / images.std(), scans.target[:32]
