"""Real images, sound and broken, for the tests of DatasetGen."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def save(path, seed):
    Image.fromarray(pixels(seed)).save(path)


def folder_of(root, counts, first=0):
    """Makes a folder with so many 8x8 images in each class's folder, every one another."""
    seed = first
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for _ in range(count):
            save(root / name / f"{seed:04d}.png", seed)
            seed += 1
    return root


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, form, **options)
    return file.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(header, rows):
    head, data, end = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + data + end


def png_of_size(width, height):
    """Returns a PNG of a few bytes that claims to be large."""
    return png(struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"\0")


def frames(form):
    first, second = (Image.fromarray(pixels(seed)) for seed in (1, 2))
    return encoded(first, form, save_all=True, append_images=[second])


WHOLE = encoded(pixels(3))
BAD = {
    "zero bytes": b"",
    "not an image": b"hello",
    "truncated": WHOLE[:-30],
    "does not decode": WHOLE[:45] + b"\xff" * 9 + WHOLE[54:],
    "too large": png_of_size(10_000, 6_000),
    "animated": frames("GIF"),
    "float pixels": encoded(np.ones((4, 4), np.float32), "TIFF"),
}
