"""The `digits` data set as a TFDS builder."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from components.dataset_gen.scans import load_images, split_rows


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
