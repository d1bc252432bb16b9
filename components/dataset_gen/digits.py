"""The `digits` data set: 1,797 real scans of handwritten digits that scikit-learn ships, as a TFDS builder.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
(the test part of it, 8x8 images with 17 grey levels).
"""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

SPLIT_SEED = 0
SPLITS = {"test": 360, "validation": 180}


class Digits(tfds.core.GeneratorBasedBuilder):
    """8x8 grey PNG images of the ten digits, in a fixed stratified split: 1,257 train, 180 validation, 360 test."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 -- TFDS declares it so

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
            }
        )
        return self.dataset_info_from_configs(
            features=features, supervised_keys=("image", "label"), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, object]:
        del dl_manager  # The scans come with scikit-learn: nothing is downloaded.
        images, labels = load_images()
        return {name: self._generate_examples(images, labels, rows) for name, rows in split_rows(labels).items()}

    def _generate_examples(  # type: ignore[override] # TFDS lets each builder choose the arguments
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, object]]]:
        for row in rows:
            yield int(row), {"image": images[row], "label": int(labels[row])}


def load_images() -> tuple[np.ndarray, np.ndarray]:
    """Loads the scans: uint8 images [1797, 8, 8, 1], the grey levels 0..16 spread over 0..255, and int labels [1797]."""
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
