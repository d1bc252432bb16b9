"""What may be wrong with an image, and what is done about it. Imports nothing.

A reason is either of `CONVERTED`, where the image is kept in a form that every reader decodes alike, or of
`QUARANTINED`, where it is kept out. What concerns a whole split or class stops the run; `components.data_gate` says so.
"""

# Reason: what is stored. What TensorFlow decodes to the same pixels as everybody else is stored as it came; all else is
# encoded anew, as PNG, or as JPEG of quality 95 where it was JPEG or WebP.
CONVERTED = {
    "CMYK": "its colours in RGB",
    "16-bit": "the upper eight bits of each value",
    "1-bit": "black and white as grey levels 0 and 255",
    "palette": "the colours that the palette names",
    "transparent": "the colours without their opacity, as the served model sees them",
    "rotated by EXIF": "turned upright",
    "other format": "the pixels of a GIF, BMP, WebP, TIFF or PPM file",
    "wrong extension": "as it came: what is in a file says what it is, not its name",
    "grey among colour": "as it came: decoding repeats its one channel",
    "colour among grey": "as it came: decoding makes it grey",
}

# Reason: what it means. The worst come first in the list.
QUARANTINED = {
    "contradictory label": "the same pixels as another image, under another label",
    "label out of range": "a label below 0, or for which there is no class name",
    "no label": "a record without the label feature, or with several values in it",
    "no class folder": "an image that lies in no class's folder",
    "in two splits": "the same pixels as an image of the test split, or of the validation split",
    "zero bytes": "nothing in it",
    "not an image": "no format that PIL knows",
    "truncated": "it ends before its last pixel",
    "does not decode": "it begins as an image, and is none",
    "too large": "more than 50 million pixels: a decompression bomb, or no picture to learn from",
    "animated": "several frames: which one has the label is not known",
    "float pixels": "pixels of no known range: TIFF's 32-bit integers and floats",
    "unreadable": "the file can't be read",
    "duplicate": "the same pixels as another image of its split; one of them is kept",
}

MAX_PIXELS = 50_000_000
