import numpy as np

from models.resnet import PaddedShortcut


def test_the_shortcut_keeps_every_second_pixel_and_adds_maps_of_zeros():
    maps = np.arange(1 * 3 * 4 * 2, dtype="float32").reshape(1, 3, 4, 2)
    layer = PaddedShortcut(5, 2)
    carried = np.asarray(layer(maps))
    assert carried.shape == (1, 2, 2, 5)
    assert np.array_equal(carried[..., :2], maps[:, ::2, ::2])
    assert not carried[..., 2:].any()
    assert layer.weights == []
