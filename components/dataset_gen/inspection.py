"""One encoded image: is it sound, and in a form that every reader decodes alike? Imports no TensorFlow."""

import hashlib
import io
import os
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from components.dataset_gen import rules

# What PIL may try; the rest of what it knows are documents and the formats of a few programs. (MPO comes as JPEG.)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
    "PNG": {".png", ".apng"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}
KNOWN_SUFFIXES = frozenset().union(*SUFFIXES.values())
# Formats that the served graph decodes; an MPO, of a camera with two lenses, begins with a JPEG.
STORED = ("JPEG", "MPO", "PNG")
# What loses something already becomes JPEG again, for a photograph would be many times as large as PNG.
LOSSY = ("JPEG", "MPO", "WEBP")
QUALITY = 95
ORIENTATION = 0x0112
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_BY_MODE = {"1": "1-bit", "P": "palette", "PA": "palette", "CMYK": "CMYK"}
# Where a PNG file says how many bits a channel has: PIL alone would hide it for colours.
PNG_BITS = 24
JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
# A decompression bomb is refused by `rules.MAX_PIXELS`, before anything is decoded.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Unfit(ValueError):  # noqa: N818 -- it is a verdict
    """An image that is kept out."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Says why: a key of `rules.QUARANTINED`, and what more is known."""
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Sound(NamedTuple):
    """An image that is kept.

    Attributes:
      encoded: JPEG or PNG, upright, of 8 bits a channel, grey or RGB.
      height: In pixels.
      width: In pixels.
      channels: 1 or 3.
      brightness: Mean of all its values, from 0 to 1.
      digest: 16 bytes, the same for images with the same pixels.
      converted: Why it is not, or not quite, what came: keys of `rules.CONVERTED`.
    """

    encoded: bytes
    height: int
    width: int
    channels: int
    brightness: float
    digest: bytes
    converted: tuple[str, ...]


def size(encoded: bytes) -> tuple[int, int, int] | None:
    """Reads height, width and channels off an image's header; nothing where that shows already that it is unfit."""
    try:
        image = _opened(encoded)
        # PIL would decode all of a PNG to look for EXIF data behind its pixels, where hardly anybody puts them.
        exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
        turned = exif.get(ORIENTATION, 1) >= 5
    except Exception:  # Whatever is wrong with it, `inspect` will say.
        return None
    width, height = reversed(image.size) if turned else image.size
    return height, width, 1 if image.mode in GREY else 3


def inspect(encoded: bytes, name: str, channels: int) -> Sound:
    """Checks one image by decoding it, and converts it if need be.

    Args:
      encoded: As it came.
      name: Of its file, whose extension may be wrong; a name without one is never.
      channels: Of the data set: 1 or 3.

    Raises:
      Unfit: It must be kept out.
    """
    image = _opened(encoded)
    form, converted = image.format or "", _decoded(image, encoded)
    if converted:
        image = _plain(image)
        encoded = _encoded(image, form)
    if _is_misnamed(name, form):
        converted.append("wrong extension")
    own = 1 if image.mode == "L" else 3
    if own != channels:
        converted.append("grey among colour" if own == 1 else "colour among grey")
    pixels = image.tobytes()
    brightness = float(np.frombuffer(pixels, np.uint8).mean()) / 255
    shape = f"{image.height},{image.width},{own},".encode()
    digest = hashlib.blake2b(shape + pixels, digest_size=16).digest()
    return Sound(encoded, image.height, image.width, own, brightness, digest, tuple(converted))


def _opened(encoded: bytes) -> Image.Image:
    if not encoded:
        raise Unfit("zero bytes")
    try:
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise Unfit("too large") from error
    except UnidentifiedImageError as error:
        raise Unfit("not an image") from error
    except Exception as error:
        raise _undecodable(error) from error
    if image.width * image.height > rules.MAX_PIXELS:
        raise Unfit("too large", f"{image.width}x{image.height} pixels")
    if frames > 1:
        raise Unfit("animated", f"{frames} frames")
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise Unfit("float pixels")
    return image


def _decoded(image: Image.Image, encoded: bytes) -> list[str]:
    """Decodes an image, and lists why it can't stay as it came."""
    try:
        _require_whole(image.format, encoded)
        image.load()
        return _conversions(image, encoded)
    except Unfit:
        raise
    except Exception as error:  # PIL's decoders raise whatever they stumble upon.
        raise _undecodable(error) from error


def _require_whole(form: str | None, encoded: bytes) -> None:
    """Checks what comes after the last pixel as well: PIL's decoders don't ask for it, TensorFlow's do."""
    if form == "PNG":
        Image.open(io.BytesIO(encoded), formats=("PNG",)).verify()
    cut = {
        "PNG": PNG_END not in encoded,
        # A small picture among the EXIF data has an end of its own, before the scan of the large one.
        "JPEG": encoded.rfind(JPEG_END) < encoded.rfind(JPEG_SCAN),
    }
    if cut.get(form or ""):
        raise Unfit("truncated", "no end")


def _undecodable(error: Exception) -> Unfit:
    cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
    return Unfit("truncated" if cut else "does not decode", " ".join(str(error).split())[:80])


def _conversions(image: Image.Image, encoded: bytes) -> list[str]:
    deep = image.mode.startswith("I") or (image.format == "PNG" and encoded[PNG_BITS] == 16)
    see_through = image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info
    found = {
        _BY_MODE.get(image.mode, ""): True,
        "16-bit": deep,
        "transparent": see_through,
        "rotated by EXIF": image.getexif().get(ORIENTATION, 1) not in (0, 1),
        "other format": image.format not in STORED,
    }
    return [reason for reason, holds in found.items() if reason and holds]


def _is_misnamed(name: str, form: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 -- done for every image
    return suffix in KNOWN_SUFFIXES and suffix not in SUFFIXES[form]


def _plain(image: Image.Image) -> Image.Image:
    """Returns the image upright, 8 bits a channel, grey or RGB.

    Opacity is dropped and not blended: so does the served graph with what clients send.
    """
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            return Image.fromarray((np.asarray(upright).astype(np.uint32) >> 8).clip(max=255).astype(np.uint8))
        return upright.convert("L" if upright.mode in GREY else "RGB")
    except Exception as error:  # Such as EXIF data that are none.
        raise _undecodable(error) from error


def _encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    if form in LOSSY:
        image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(file, "PNG")
    return file.getvalue()
