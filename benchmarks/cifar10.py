"""What the small recipes reach on CIFAR-10, or on a part of it, through Convoy's own training.

    python benchmarks/cifar10.py IMAGES                                 the smallest network of each family
    python benchmarks/cifar10.py IMAGES --architectures resnet20,vgg11  these
    python benchmarks/cifar10.py IMAGES --train 50000 --test 10000      all of it: for a GPU

IMAGES is a tar file of `train/<class>/*.jpg` and `test/<class>/*.jpg`. The recipe is the small one with mirrored images
and `--epochs` times its epochs. Writes `benchmarks/results/cifar10.json`; what other networks reached on as many images
stays there.
"""

import argparse
import json
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from measured import RESULTS, circumstances

import models
from components import images, names
from components.trainer import checkpoints, run
from components.trainer.input_pipeline import PixelStatistics, batches
from components.trainer.splits import Split

SHAPE = (32, 32, 3)
SMALLEST = "lenet5,zfnet,vgg11,googlenet,resnet20,densenet40,allcnn_c,mobilenet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--architectures", default=SMALLEST)
    parser.add_argument("--train", type=int, default=5000, help="images to train on; default: %(default)s")
    parser.add_argument("--test", type=int, default=2000, help="images to test on; default: %(default)s")
    parser.add_argument("--epochs", type=float, default=1.0, help="times the recipe's; default: %(default)s")
    arguments = parser.parse_args()
    sizes = {"train_images": arguments.train, "test_images": arguments.test}
    rows = known(sizes)
    with tempfile.TemporaryDirectory() as folder:
        data = Data.extract(arguments.images, {"train": arguments.train, "test": arguments.test}, Path(folder))
        for name in arguments.architectures.split(","):
            rows[name] = measure(name, data, arguments.epochs)
            content = {**circumstances(), **sizes, "rows": list(rows.values())}
            (RESULTS / "cifar10.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def known(sizes: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Reads what networks reached on as many images before."""
    path = RESULTS / "cifar10.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {row["architecture"]: row for row in content.get("rows", ())} if sizes.items() <= content.items() else {}


class Data:
    """Two splits as Transform leaves them, in files, and what it found out about the pixels of the first."""

    def __init__(self, files: dict[str, list[str]], statistics: PixelStatistics, classes: tuple[str, ...]) -> None:
        self.files, self.statistics, self.classes = files, statistics, classes

    @classmethod
    def extract(cls, archive: Path, sizes: dict[str, int], folder: Path) -> "Data":
        """Takes as many images of each class from a tar file, the first by name."""
        found: dict[tuple[str, str], list[tuple[str, bytes]]] = defaultdict(list)
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    split, label, name = Path(member.name).parts[-3:]
                    found[split, label].append((name, tar.extractfile(member).read()))
        classes = tuple(sorted({label for _, label in found}))
        chosen = {
            split: [
                (encoded, number)
                for number, label in enumerate(classes)
                for _, encoded in sorted(found[split, label])[: size // len(classes)]
            ]
            for split, size in sizes.items()
        }
        pixels = images.decode(tf.constant([encoded for encoded, _ in chosen["train"]]), SHAPE).numpy()
        statistics = PixelStatistics(*(tuple(map(float, of(pixels, (0, 1, 2)))) for of in (np.mean, np.var)))
        files = {split: [write(folder / f"{split}.gz", rows, statistics)] for split, rows in chosen.items()}
        return cls(files, statistics, classes)


def write(path: Path, rows: list[tuple[bytes, int]], statistics: PixelStatistics) -> str:
    """Writes transformed examples; returns where."""
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for encoded, label in rows:
            features = {
                names.IMAGE: tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded])),
                names.LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                names.PIXEL_MEAN: tf.train.Feature(float_list=tf.train.FloatList(value=statistics.mean)),
                names.PIXEL_VARIANCE: tf.train.Feature(float_list=tf.train.FloatList(value=statistics.variance)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return str(path)


def measure(name: str, data: Data, times: float) -> dict[str, Any]:
    """Trains one network by its small recipe; returns what it reached on the test images."""
    usual = models.recipe(name, "small")
    recipe = usual.replace(epochs=max(2, round(times * usual.epochs)), flip=True)
    plan = run.TrainingPlan(name, "small", {}, recipe, SHAPE, data.classes, "auto", "auto")
    # The last epoch is what counts: nothing is chosen by the test images that stand in for validation here.
    with tempfile.TemporaryDirectory() as folder:
        model, done = run.train(
            plan, data.statistics, data.files["train"], data.files["test"], checkpoints.Checkpoints(Path(folder), name)
        )
    test = Split.counted(data.files["test"], SHAPE, len(data.classes))
    _, accuracy = model.evaluate(batches(test, 500), verbose=0)
    row = {"architecture": name, "epochs": recipe.epochs, "accuracy": accuracy, "seconds": done.seconds}
    print(f"{name:20} {recipe.epochs:3} epochs  {accuracy:.3f}  {done.seconds:6.0f} s", flush=True)
    return {**row, "train_accuracy": done.history["accuracy"][-1]}


if __name__ == "__main__":
    main()
