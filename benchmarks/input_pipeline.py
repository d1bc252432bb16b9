"""What reading costs: training from transformed records beside training from an array in memory, in turn.

    python benchmarks/input_pipeline.py IMAGES         a tar file or a folder, of <class>/*.jpg
    python benchmarks/input_pipeline.py                pictures of noise, of 32x32 pixels
    python benchmarks/input_pipeline.py --images 9000  so many of them

All sides train the same network with the same `fit`. One has all pixels as an array; the others read records by the
input pipeline of the Trainer, in each of its ways: images in memory decoded, in memory as they are in the files, and in
the files, which it takes by itself as memory gets short. Each side trains in a process of its own, one after the other,
so many rounds; an epoch's seconds are the median over all epochs but each process's first, which traces the graph.
Writes `benchmarks/results/input_pipeline.json`; a ratio of 1 means that reading costs nothing.
"""

import argparse
import json
import multiprocessing
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measured import RESULTS, circumstances
from training import Stopwatch

SHAPE = (32, 32, 3)
EPOCHS = 3
WAYS = ("array", "decoded, in memory", "encoded, in memory", "in files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, metavar="IMAGES")
    parser.add_argument("--images", type=int, default=60_000, help="at most; default: %(default)s")
    parser.add_argument("--network", default="lenet5", help="its small form; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = pictures(arguments.source, arguments.images)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(prepare, (rows, folder))
        measured = measure(arguments.network, folder, arguments.rounds)
    content = {**circumstances(), "images": len(rows), "network": arguments.network}
    content |= {"source": arguments.source.name if arguments.source else "noise", "rows": measured}
    (RESULTS / "input_pipeline.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def pictures(source: Path | None, most: int) -> list[tuple[bytes, int]]:
    """Reads encoded images and their labels, evenly of all that there are; without a source, makes some of noise."""
    found = sorted(drawn(most) if source is None else folder(source) if source.is_dir() else archive(source))
    classes = sorted({name for name, _, _ in found})
    chosen = [found[place] for place in np.linspace(0, len(found) - 1, min(most, len(found))).astype(int)]
    return [(encoded, classes.index(name)) for name, _, encoded in chosen]


def archive(source: Path) -> Iterator[tuple[str, str, bytes]]:
    with tarfile.open(source) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith((".jpg", ".jpeg")):
                yield Path(member.name).parts[-2], member.name, tar.extractfile(member).read()


def folder(source: Path) -> Iterator[tuple[str, str, bytes]]:
    for path in source.rglob("*.jp*g"):
        yield path.parent.name, str(path), path.read_bytes()


def drawn(images: int) -> Iterator[tuple[str, str, bytes]]:
    import io

    from PIL import Image

    noise = np.random.default_rng(0)
    for number in range(images):
        buffer = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, SHAPE, np.uint8)).save(buffer, "JPEG")
        yield str(number % 10), f"{number}", buffer.getvalue()


def prepare(rows: list[tuple[bytes, int]], folder: str) -> None:
    """Writes the images as transformed records, and as an array."""
    import tensorflow as tf
    from cifar10 import write

    from components import images
    from components.trainer.input_pipeline import PixelStatistics

    write(Path(folder) / "train.gz", rows, PixelStatistics((127.5,) * 3, (73.6**2,) * 3))
    np.save(Path(folder) / "pixels.npy", images.decode(tf.constant([encoded for encoded, _ in rows]), SHAPE).numpy())
    np.save(Path(folder) / "labels.npy", np.array([label for _, label in rows]))


def measure(network: str, folder: str, rounds: int) -> list[dict[str, Any]]:
    """Trains from the array and in each way from the records, in turn."""
    epochs: dict[str, list[float]] = {way: [] for way in WAYS}
    before: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                ready, seconds = pool.apply(train, (way, network, folder))
            epochs[way] += seconds
            before[way].append(ready)
    images = len(np.load(Path(folder) / "labels.npy"))
    rows = []
    for way in WAYS:
        rate, ready = images / statistics.median(epochs[way]), statistics.median(before[way])
        rows.append({"way": way, "images_per_second": rate, "ready_seconds": ready})
        rows[-1]["ratio"] = rate / rows[0]["images_per_second"]
        print(f"{way:20} {rate:9.0f} img/s  {rows[-1]['ratio']:.3f}  {ready:.1f} s", flush=True)
    return rows


def train(way: str, network: str, folder: str) -> tuple[float, list[float]]:
    """Trains in one way; returns the seconds before the first batch, and those of each epoch but the first."""
    import keras

    import models
    from components.trainer import export
    from components.trainer.input_pipeline import PixelStatistics

    labels = np.load(Path(folder) / "labels.npy")
    recipe = models.Recipe(epochs=EPOCHS)  # Without augmentation, which an array has none of.
    keras.utils.set_random_seed(recipe.seed)
    built = models.create(network, input_shape=SHAPE, num_classes=int(labels.max()) + 1, form="small")
    model = export.pixel_model(built, PixelStatistics((127.5,) * 3, (73.6**2,) * 3), SHAPE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    watch, began = Stopwatch(), time.perf_counter()
    steps = -(-len(labels) // recipe.batch_size)
    data = records(way, folder, recipe, int(labels.max()) + 1) if way != WAYS[0] else array(folder, recipe)
    ready = time.perf_counter() - began
    model.fit(*data[0], **data[1], epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=[watch.callback])
    return ready, watch.seconds[1:]


def array(folder: str, recipe: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    pixels, labels = (np.load(Path(folder) / f"{name}.npy") for name in ("pixels", "labels"))
    return (pixels, labels), {"batch_size": recipe.batch_size}


def records(way: str, folder: str, recipe: Any, classes: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Reads the records in the way that the pipeline takes where memory is as short as that."""
    from components.trainer import input_pipeline, memory
    from components.trainer.splits import Split

    if way != "decoded, in memory":
        memory.available = lambda: 0
    split = Split.counted([f"{folder}/train.gz"], SHAPE, classes)
    input_pipeline.BUFFER = split.encoded_bytes // 10  # What does not fit into memory does not fit into the buffer.
    batches = input_pipeline.training_batches(split, recipe, kept=way != "in files")
    next(iter(batches))
    return (batches,), {"shuffle": False}


if __name__ == "__main__":
    main()
