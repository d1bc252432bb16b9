"""Which images are learnt from, and which are kept for a test. Imports nothing heavy."""

from collections.abc import Collection

from components import names

SPLITS = (names.TRAIN, names.VALIDATION, names.TEST)
# What a folder or a file of a split may be called.
CALLED = {
    names.TRAIN: ("train", "training"),
    names.VALIDATION: ("validation", "valid", "val", "dev"),
    names.TEST: ("test", "testing", "eval"),
}
_BY_NAME = {word: split for split, words in CALLED.items() for word in words}
# Of the images of `train`, where the source has no such split.
CARVED = 0.1


def called(word: str) -> str | None:
    """Returns the split that a folder's or a feature's word means; nothing for another word."""
    return _BY_NAME.get(word.lower())


def place(split: str, digest: bytes, available: Collection[str]) -> str:
    """Returns the split that an image goes to: its own, or one that is carved from `train`.

    The image alone decides, so the same image always goes to the same split, whatever else comes or goes.

    Args:
      split: Where the source has it.
      digest: Of its pixels, evenly distributed.
      available: The splits that the source has.
    """
    if split != names.TRAIN:
        return split
    lot = int.from_bytes(digest[:8], "big") / 2**64
    for share, carved in enumerate((names.TEST, names.VALIDATION)):
        if carved not in available and CARVED * share <= lot < CARVED * (share + 1):
            return carved
    return names.TRAIN
