import numpy as np
import pytest

from models.mobilenet import NearIdentity
from models.registry import outline


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0, 1.4])
def test_the_width_multiplier_rounds_down(alpha):
    model = outline("mobilenet", input_shape=(32, 32, 3), num_classes=10, alpha=alpha)
    assert model.get_layer("stem").filters == int(32 * alpha)
    assert model.get_layer("pair13_pw").filters == int(1024 * alpha)


def test_a_depthwise_kernel_starts_near_the_identity():
    kernel = np.asarray(NearIdentity(stddev=0.0)((3, 3, 4, 1)))
    assert kernel.shape == (3, 3, 4, 1)
    assert np.array_equal(kernel[1, 1], np.ones((4, 1)))
    assert kernel.sum() == 4
    noisy = np.asarray(NearIdentity(stddev=0.4, seed=0)((3, 3, 400, 1)))
    assert np.allclose((noisy - kernel[:, :, :1]).std(), 0.4, atol=0.02)
