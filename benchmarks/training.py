"""What Convoy's training costs beside a bare `fit`: steps a second of both, on the same images, in turn.

    python benchmarks/training.py                      resnet20, 32x32x3, as on CIFAR-10
    python benchmarks/training.py mobilenet vgg11      these

Both sides train the same network with the same optimiser, loss and batch size. The bare one has the images as arrays
and hands them to `keras.Model.fit`; Convoy's reads encoded images from files, decodes, normalises inside the model,
validates, reports and keeps checkpoints, all by the recipe. Each side trains in processes of its own, one after the
other, so many rounds; an epoch's seconds are the median over all epochs but each process's first, which traces the
graph. Writes `benchmarks/results/training.json`; a ratio of 1 means that Convoy costs nothing.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import RESULTS, circumstances

SHAPE = (32, 32, 3)
CLASSES = 10
EPOCHS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=["resnet20"])
    parser.add_argument("--images", type=int, default=2560, help="to train on; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = [measure(name, arguments.images, arguments.rounds) for name in arguments.architectures]
    content = {**circumstances(), "images": arguments.images, "rows": rows}
    (RESULTS / "training.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def measure(name: str, images: int, rounds: int) -> dict[str, Any]:
    """Trains one network both ways, in turn."""
    seconds: dict[str, list[float]] = {"bare": [], "convoy": []}
    for _ in range(rounds):
        for side, train in (("bare", bare), ("convoy", convoy)):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds[side] += pool.apply(train, (name, images))
    medians = {side: statistics.median(found) for side, found in seconds.items()}
    rate = {side: images / median for side, median in medians.items()}
    row = {"architecture": name, "images_per_second": rate, "ratio": rate["convoy"] / rate["bare"]}
    print(f"{name:14} {rate['bare']:8.1f} img/s {rate['convoy']:8.1f} img/s  {row['ratio']:.3f}", flush=True)
    return row


def pixels(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images that a PNG can't make small, and labels."""
    noise = np.random.default_rng(0)
    return noise.integers(0, 256, (images, *SHAPE), np.uint8), noise.integers(0, CLASSES, images)


class Stopwatch:
    """Takes the seconds of each training epoch, without its validation."""

    def __init__(self) -> None:
        import keras

        stopwatch, self.seconds = self, []

        class Watching(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                self.began = time.perf_counter()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                self.last = time.perf_counter() - self.began

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                stopwatch.seconds.append(self.last)

        self.callback = Watching()


def bare(name: str, images: int) -> list[float]:
    """Trains from arrays with nothing but Keras; returns the seconds of each epoch but the first."""
    import keras

    import models
    from components.trainer import optimizers

    recipe = models.recipe(name, "small", epochs=EPOCHS)
    keras.utils.set_random_seed(recipe.seed)
    network = models.create(name, input_shape=SHAPE, num_classes=CLASSES, form="small")
    x, y = pixels(images)
    network.compile(
        optimizer=optimizers.optimizer(recipe, -(-images // recipe.batch_size)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
    )
    watch = Stopwatch()
    normalised = (x.astype(np.float32) - 127.5) / 73.6
    labels = keras.utils.to_categorical(y, CLASSES)
    network.fit(normalised, labels, batch_size=recipe.batch_size, epochs=EPOCHS, verbose=0, callbacks=[watch.callback])
    return watch.seconds[1:]


def convoy(name: str, images: int) -> list[float]:
    """Trains as the pipeline's Trainer does; returns the seconds of each epoch but the first."""
    import keras
    import tensorflow as tf
    from cifar10 import write

    import models
    from components.trainer import checkpoints, run
    from components.trainer.input_pipeline import PixelStatistics

    x, y = pixels(images)
    statistics_ = PixelStatistics((127.5,) * 3, (73.6**2,) * 3)
    recipe = models.recipe(name, "small", epochs=EPOCHS)
    plan = run.TrainingPlan(name, "small", {}, recipe, SHAPE, tuple("0123456789"), "auto", "auto")
    watch = Stopwatch()
    fit = keras.Model.fit
    keras.Model.fit = lambda *given, callbacks, **options: fit(
        *given, callbacks=[watch.callback, *callbacks], **options
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = [(tf.io.encode_png(image).numpy(), int(label)) for image, label in zip(x, y, strict=True)]
        files = [write(Path(folder) / "train.gz", rows, statistics_)]
        some = [write(Path(folder) / "validation.gz", rows[:256], statistics_)]
        run.train(plan, statistics_, files, some, checkpoints.Checkpoints(Path(folder) / "kept", name))
    return watch.seconds[1:]


if __name__ == "__main__":
    main()
