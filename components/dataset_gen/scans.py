"""1,797 real scans of handwritten digits that scikit-learn ships, and their fixed split. Needs no TensorFlow.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
(the test part of it, 8x8 images with 17 grey levels).
"""

import numpy as np

SPLIT_SEED = 0
SPLITS = {"test": 360, "validation": 180}


def load_images() -> tuple[np.ndarray, np.ndarray]:
    """Loads the scans: uint8 images [1797, 8, 8, 1], their 17 grey levels spread over 0..255, and int labels [1797]."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[..., np.newaxis], data.target


def split_rows(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Splits rows into train, validation and test with the classes in proportion, the same way every time."""
    from sklearn.model_selection import train_test_split

    rest = np.arange(len(labels))
    rows = {}
    for name, size in SPLITS.items():
        rest, rows[name] = train_test_split(rest, test_size=size, stratify=labels[rest], random_state=SPLIT_SEED)
    return {"train": np.sort(rest), **{name: np.sort(chosen) for name, chosen in rows.items()}}
