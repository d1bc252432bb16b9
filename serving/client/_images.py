"""Images as requests take them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.client._errors import InvalidRequestError

Encoded = bytes | str | Path
# What `tf.io.decode_image` reads.
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")


def encoded(images: Encoded | Sequence[Encoded]) -> NDArray[np.object_]:
    """Returns encoded images as an array of N bytes objects: bytes as they are, paths read.

    Raises:
        InvalidRequestError: A path leads to no file, or to one that is no PNG, JPEG, GIF or BMP.
    """
    if isinstance(images, (bytes, str, Path)):
        images = [images]
    return np.array([image if isinstance(image, bytes) else _read(Path(image)) for image in images], dtype=object)


def pixels(images: ArrayLike) -> NDArray[np.uint8]:
    """Returns raw images as uint8 [N, H, W, C].

    Raises:
        InvalidRequestError: The images are not whole numbers from 0 to 255 of that rank.
    """
    array: NDArray[Any] = np.asarray(images)
    whole = array.dtype.kind in "iu" and (array.size == 0 or (array.min() >= 0 and array.max() <= 255))
    if not whole or array.ndim != 4:
        raise InvalidRequestError(
            "`images` must be uint8 [images, height, width, channels]. "
            f"Received: {array.dtype} {list(array.shape)}. Scale to 0-255, and add an axis to a single image."
        )
    return array.astype(np.uint8, copy=False)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            f"`{path}` must be an image file. Received: {error.strerror}. Name another."
        ) from error
    if not content.startswith(_SIGNATURES):
        raise InvalidRequestError(
            f"`{path}` must be a PNG, JPEG, GIF or BMP image. Received: a file that begins {content[:8]!r}. Convert it."
        )
    return content
