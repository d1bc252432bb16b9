import keras
import numpy as np
import pytest

from models.registry import outline
from models.resnet import PaddedShortcut


def test_the_shortcut_keeps_every_second_pixel_and_adds_maps_of_zeros():
    maps = np.arange(1 * 3 * 4 * 2, dtype="float32").reshape(1, 3, 4, 2)
    layer = PaddedShortcut(5, 2)
    carried = np.asarray(layer(maps))
    assert carried.shape == (1, 2, 2, 5)
    assert np.array_equal(carried[..., :2], maps[:, ::2, ::2])
    assert not carried[..., 2:].any()
    assert layer.weights == []


def test_the_shortcut_comes_back_from_its_configuration():
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PaddedShortcut(5, 2)))
    assert (again.width, again.strides) == (5, 2)


# Option A needs no layer at all for a unit that keeps its shape; B projects where the shape changes, C everywhere.
@pytest.mark.parametrize(("option", "padded", "projected"), [("a", 2, 0), ("b", 0, 2), ("c", 0, 9)])
def test_the_options_of_the_paper(option, padded, projected):
    model = outline("resnet20", input_shape=(32, 32, 3), num_classes=10, shortcut=option)
    shortcuts = [layer for layer in model.layers if layer.name.endswith("_shortcut")]
    assert [isinstance(layer, PaddedShortcut) for layer in shortcuts].count(True) == padded
    assert [isinstance(layer, keras.layers.Conv2D) for layer in shortcuts].count(True) == projected


@pytest.mark.parametrize("v1_5", [False, True])
def test_where_a_bottleneck_halves_the_side(v1_5):
    model = outline("resnet50", input_shape=(224, 224, 3), num_classes=1000, v1_5=v1_5)
    first, second = (model.get_layer(f"stage2_unit1_conv{number}").output.shape[1] for number in (1, 2))
    assert (first, second) == ((56, 28) if v1_5 else (28, 28))
