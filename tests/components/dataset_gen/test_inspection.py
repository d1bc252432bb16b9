"""Real broken and unusual images, made on the fly, and what becomes of each."""

import contextlib
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, frames, png, png_of_size
from PIL import Image

from components import images
from components.dataset_gen import inspection, rules
from components.dataset_gen.inspection import Unfit, inspect

RAMP = np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)
GREY = RAMP[..., 0]


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def decoded(sound, channels):
    """Decodes as the served graph does."""
    return images.decode(tf.constant([sound.encoded]), (sound.height, sound.width, channels))[0].numpy()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize(("pixels", "channels"), [(RAMP, 3), (GREY, 1)])
def test_a_plain_image_stays_as_it_came(form, pixels, channels):
    given = encoded(pixels, form)
    sound = inspect(given, f"a.{form.lower()}", channels)
    assert sound.encoded == given
    assert sound[1:4] == (6, 9, channels)
    assert sound.converted == ()
    assert sound.brightness == pytest.approx(np.asarray(Image.open(io.BytesIO(given))).mean() / 255)


TRANSPARENT = np.dstack([RAMP, np.full((6, 9), 7, np.uint8)])
CONVERSIONS = {
    "CMYK": (encoded(Image.fromarray(RAMP).convert("CMYK"), "JPEG", quality=100), None),
    "16-bit": (encoded(Image.fromarray(GREY.astype(np.uint16) * 257)), GREY),
    "1-bit": (encoded(Image.fromarray(GREY > 40)), (GREY > 40) * np.uint8(255)),
    "palette": (encoded(Image.fromarray(RAMP).quantize(200)), RAMP),
    "transparent": (encoded(TRANSPARENT), RAMP),
    "rotated by EXIF": (encoded(RAMP, exif=exif(6)), np.rot90(RAMP, 3)),
    "other format": (encoded(RAMP, "TIFF"), RAMP),
}


@pytest.mark.parametrize("reason", CONVERSIONS)
def test_what_readers_see_differently_is_converted(reason):
    given, expected = CONVERSIONS[reason]
    channels = 3 if expected is None or expected.ndim == 3 else 1
    sound = inspect(given, "a", channels)
    assert sound.converted == (reason,)
    assert sound.encoded != given
    seen = decoded(sound, channels)
    if expected is None:  # JPEG loses a little, and CMYK's black a little more.
        assert np.abs(seen.astype(int) - RAMP).mean() < 4
    else:
        np.testing.assert_array_equal(seen, expected.reshape(seen.shape))
    again = inspect(sound.encoded, "a", channels)
    assert again.converted == ()
    assert again.digest == sound.digest or reason == "CMYK"


@pytest.mark.parametrize("form", ["GIF", "BMP", "WEBP", "PPM"])
def test_other_formats_keep_their_pixels(form):
    sound = inspect(encoded(RAMP, form, **({"lossless": True} if form == "WEBP" else {})), "a", 3)
    assert "other format" in sound.converted
    assert np.abs(decoded(sound, 3).astype(int) - RAMP).max() <= (25 if form == "WEBP" else 0 if form != "GIF" else 8)


@pytest.mark.parametrize("deep", [np.uint16(256), np.uint16(257), np.uint16(511)])
def test_sixteen_bits_keep_their_upper_eight(deep):
    assert decoded(inspect(encoded(np.full((4, 4), deep)), "a", 1), 1).max() == 1


def test_sixteen_bits_a_colour_are_found_though_pil_hides_them():
    rows = b"".join(b"\0" + bytes([9, 255, 8, 255, 7, 255]) * 4 for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    sound = inspect(png(header, rows), "a.png", 3)
    assert sound.converted == ("16-bit",)
    assert decoded(sound, 3)[0, 0].tolist() == [9, 8, 7]


def test_a_photograph_that_is_turned_stays_a_jpeg():
    sound = inspect(encoded(RAMP, "JPEG", exif=exif(8)), "a.jpg", 3)
    assert sound.converted == ("rotated by EXIF",)
    assert sound[1:4] == (9, 6, 3)
    assert sound.encoded.startswith(b"\xff\xd8")


@pytest.mark.parametrize("name", ["a.png", "a.GIF", "b/c.webp"])
def test_a_wrong_extension_is_told_and_does_no_harm(name):
    given = encoded(RAMP, "JPEG")
    sound = inspect(given, name, 3)
    assert (sound.encoded, sound.converted) == (given, ("wrong extension",))


def test_grey_among_colour_and_colour_among_grey_are_told():
    assert inspect(encoded(GREY), "a", 3).converted == ("grey among colour",)
    assert inspect(encoded(RAMP), "a", 1).converted == ("colour among grey",)
    assert decoded(inspect(encoded(GREY), "a", 3), 3)[..., 2].tolist() == GREY.tolist()


PNG, JPEG = encoded(RAMP), encoded(RAMP, "JPEG")
BAD = {
    "zero bytes": [b""],
    "not an image": [b"hello", b"\0" * 100, b"%PDF-1.4 nothing"],
    "truncated": [PNG[:-30], JPEG[: len(JPEG) * 2 // 3], JPEG[:40], JPEG[:-1] + b"\0"],
    "does not decode": [PNG[:45] + b"\xff" * 9 + PNG[54:], PNG[:-6] + b"\0" + PNG[-5:]],
    "too large": [png_of_size(30_000, 30_000), png_of_size(10_000, 6_000)],
    "animated": [frames("GIF"), frames("PNG"), frames("WEBP"), frames("TIFF")],
    "float pixels": [encoded(np.ones((4, 4), np.float32), "TIFF"), encoded(np.ones((4, 4), np.int32), "TIFF")],
}


@pytest.mark.parametrize(("reason", "given"), [(reason, one) for reason, found in BAD.items() for one in found])
def test_what_is_no_sound_image_is_kept_out(reason, given):
    with pytest.raises(Unfit) as refused:
        inspect(given, "a", 3)
    assert refused.value.reason == reason
    assert refused.value.reason in rules.QUARANTINED


def test_equal_pixels_have_equal_digests_whatever_the_file():
    digests = {inspect(encoded(RAMP, form), "a", 3).digest for form in ("PNG", "TIFF", "BMP")}
    digests.add(inspect(encoded(RAMP, compress_level=0), "a", 3).digest)
    assert len(digests) == 1
    changed = RAMP.copy()
    changed[3, 3, 1] += 1
    reshaped = RAMP.reshape(9, 6, 3)
    assert len(digests | {inspect(encoded(other), "a", 3).digest for other in (changed, reshaped)}) == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_the_header_alone_tells_size_and_channels(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    grey = mode in ("1", "L", "LA", "I;16")
    image = Image.fromarray(GREY.astype(np.uint16)) if mode == "I;16" else Image.fromarray(RAMP).convert(mode)
    assert inspection.size(encoded(image, form)) == (6, 9, 1 if grey else 3)


def test_the_header_of_a_turned_image_tells_its_upright_size():
    assert inspection.size(encoded(RAMP, exif=exif(6))) == (9, 6, 3)
    assert inspection.size(encoded(RAMP, exif=exif(3))) == (6, 9, 3)
    assert inspection.size(b"nothing") is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([PNG, JPEG, encoded(GREY), encoded(GREY, "JPEG"), encoded(TRANSPARENT)]), st.data())
def test_what_passes_is_what_the_served_graph_decodes(given, data):
    """Damages files at random: an image that is kept must never stop a Transform or a training."""
    damaged = bytearray(given)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(given) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unfit):
        sound = inspect(bytes(damaged[: data.draw(st.integers(1, len(given)))]), "a", 3)
        assert decoded(sound, 3).shape == (sound.height, sound.width, 3)
