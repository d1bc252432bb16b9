"""What folding batch norms into convolutions at export gains, family by family.

    python benchmarks/folding.py                       a network of each family, in its paper form
    python benchmarks/folding.py resnet50 densenet121  these

Each network is exported twice, as it was trained and as Convoy serves it, and both are loaded into the server's engine.
Rounds of single images alternate between the two, so that whatever else the machine does meets both. Writes
`benchmarks/results/folding.json`: milliseconds an image (the median of the rounds) and their ratio.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from measured import RESULTS, circumstances

import models
from components.trainer import export
from components.trainer.input_pipeline import PixelStatistics
from models.inference import for_inference
from serving.server.engine import SavedModel

FAMILIES = ("alexnet", "vgg16", "googlenet", "resnet50", "resnet20", "densenet121", "densenet_bc100", "mobilenet")
NORMALISED = {"vgg16": {"batch_norm": True}, "googlenet": {"batch_norm": True}, "alexnet": {"batch_norm": True}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=FAMILIES)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    rows = [measure(name, arguments.rounds) for name in arguments.architectures]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "folding.json").write_text(json.dumps({**circumstances(), "rows": rows}, indent=2) + "\n")


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Times one network both ways; insists that both answer alike."""
    shape = models.variant(name).forms["paper"].input_shape
    classes = models.variant(name).classes
    trained = models.create(name, input_shape=shape, num_classes=classes, **NORMALISED.get(name, {}))
    scatter_statistics(trained)
    plain = keras.Model(trained.inputs, trained.outputs[0], name=name)
    image = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        servables = [served(network, shape, classes, Path(folder) / key) for key, network in pairs(plain, trained)]
        answers = [ask(servable, image) for servable in servables]
        np.testing.assert_allclose(*answers, atol=1e-4)
        seconds = np.array([[timed(servable, image) for servable in servables] for _ in range(rounds)])
    before, after = (statistics.median(column) * 1000 for column in seconds.T)
    known = f"{name} with batch norms" if name in NORMALISED else name
    row = {"name": known, "before_ms": before, "after_ms": after, "ratio": before / after}
    print(f"{name:16} {before:8.2f} ms {after:8.2f} ms  {before / after:.2f} times", flush=True)
    return row


def pairs(plain: keras.Model, trained: keras.Model) -> list[tuple[str, keras.Model]]:
    """Names the two sides of the comparison."""
    return [("before", plain), ("after", for_inference(trained))]


def scatter_statistics(network: keras.Model) -> None:
    """Gives each batch norm the statistics of some training: fresh ones fold away to nothing."""
    noise = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                weight.assign(weight + noise.uniform(0.0, 0.1, weight.shape))


def served(network: keras.Model, shape: tuple[int, int, int], classes: int, folder: Path) -> SavedModel:
    """Exports a network and loads it as the server does."""
    level = (127.5,) * shape[-1]
    model = export.pixel_model(network, PixelStatistics(level, level), shape)
    export.export(model, [str(number) for number in range(classes)], shape, str(folder))
    return SavedModel.load(folder)


def ask(servable: SavedModel, image: np.ndarray) -> np.ndarray:
    """Returns the probabilities of one image."""
    signature = servable.signatures["pixels"]
    return servable.run([(signature.inputs["images"], image)], [signature.outputs["probabilities"]])[0]


def timed(servable: SavedModel, image: np.ndarray) -> float:
    """Returns the seconds an image takes, over a handful in a row."""
    started = time.perf_counter()
    for _ in range(5):
        ask(servable, image)
    return (time.perf_counter() - started) / 5


if __name__ == "__main__":
    main()
