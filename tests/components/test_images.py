"""Encoded images into pixels."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import images

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (8, 6), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (8, 6, 3), dtype=np.uint8)
# JPEG decoders round differently, by a level or two; two ways to weigh red, green and blue differ by one.
LOSS = {"PNG": 1, "BMP": 1, "GIF": 1, "JPEG": 4}


def encode(pixels, kind="PNG", **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(encoded, shape):
    return images.decode(tf.constant([encoded]), shape).numpy()[0]


def reference(encoded, channels):
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(8, 6, channels).astype(int)


@pytest.mark.parametrize("kind", LOSS)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_gives_as_many_channels_as_asked_for(kind, pixels, channels):
    encoded = encode(pixels, kind)
    decoded = decode(encoded, (8, 6, channels))
    assert decoded.dtype == np.uint8
    assert np.abs(decoded - reference(encoded, channels)).max() <= LOSS[kind]


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
@pytest.mark.parametrize("pixels", [GREY[..., np.newaxis], COLOUR], ids=["grey", "colour"])
def test_an_image_of_the_size_keeps_its_very_pixels(kind, pixels):
    np.testing.assert_array_equal(decode(encode(pixels.squeeze(), kind), pixels.shape), pixels)


def test_grey_in_colour_has_three_equal_channels_and_turns_back_to_the_same_grey():
    colour = decode(encode(GREY), (8, 6, 3))
    np.testing.assert_array_equal(colour, np.repeat(GREY[..., np.newaxis], 3, axis=2))
    for kind in ("PNG", "BMP", "GIF"):
        np.testing.assert_array_equal(decode(encode(colour, kind), (8, 6, 1))[..., 0], GREY)


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.fromarray(np.full((8, 6), level, np.uint8)) for level in (40, 200)]
    encoded = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for channels in (1, 3):
        assert set(decode(encoded, (8, 6, channels)).ravel()) == {40}


def test_another_size_is_resized_without_leaving_the_grey_levels():
    shrunk = decode(encode(np.full((64, 48), 255, np.uint8)), (8, 6, 1))
    assert set(shrunk.ravel()) == {255}
    lines = np.isin(np.arange(64) % 8, [3, 4]).astype(np.uint8) * 255  # A quarter is white.
    inner = decode(encode(np.tile(lines[:, np.newaxis], 48)), (8, 6, 1))[1:-1, 1:-1]
    assert np.abs(inner.astype(int) - 255 / 4).max() < 40, "fine lines must turn grey, not alias"
    assert decode(encode(COLOUR), (16, 12, 3)).shape == (16, 12, 3)


def test_a_batch_may_mix_kinds_and_sizes():
    batch = tf.constant([encode(GREY), encode(COLOUR, "JPEG"), encode(np.zeros((3, 5), np.uint8), "BMP")])
    assert images.decode(batch, (8, 6, 1)).shape == (3, 8, 6, 1)
    assert images.decode(batch[:0], (8, 6, 1)).shape == (0, 8, 6, 1)


@pytest.mark.parametrize("encoded", [b"", b"B", b"BM", b"GIF89a", b"seven.png", encode(GREY)[:-20]])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_no_image_is_an_invalid_argument(encoded, channels):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(encoded, (8, 6, channels))
