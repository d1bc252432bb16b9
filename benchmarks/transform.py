"""What Transform costs on images as large as ImageNet's: seconds, bytes and memory per 1,000 images of 224x224x3.

    python benchmarks/transform.py

Draws images that look to a codec as photographs do (smooth random fields, with detail at every scale), writes them as
JPEGs into examples, and runs the pipeline's own Transform over them: one analysis, and the examples written anew. All
runs are in one process, both sizes in turn, so many rounds, after one that isn't counted. Seconds are those of the
executor, and so without imports; what 1,000 more images take is the slope between the medians of the two sizes, and so
without what any number of images costs. Writes `benchmarks/results/transform.json`.
"""

import argparse
import io
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import RESULTS, circumstances

SHAPE = (224, 224, 3)
CLASSES = tuple(f"class {number}" for number in range(10))
SIZES = (1000, 5000)
SHARD = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # Its memory is not that of Transform.
            pool.starmap(write, [(Path(folder, str(images)), images) for images in SIZES])
        content = measure(Path(folder), arguments.rounds)
    (RESULTS / "transform.json").write_text(
        json.dumps({**circumstances(), **content}, indent=2) + "\n", encoding="utf-8"
    )


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Transforms the images of both sizes in turn; returns the medians, and what 1,000 more images take."""
    transform(folder / str(SIZES[0]), SIZES[0])
    found: dict[int, list[dict[str, float]]] = {images: [] for images in SIZES}
    for _ in range(rounds):
        for images in SIZES:
            found[images].append(transform(folder / str(images), images))
            print(images, json.dumps(found[images][-1]), flush=True)
    rows = [
        {"images": images, **{key: statistics.median(one[key] for one in runs) for key in runs[0]}}
        for images, runs in found.items()
    ]
    few, many = rows
    more = (many["images"] - few["images"]) / 1000
    slopes = {f"{key}_per_1000": (many[key] - few[key]) / more for key in ("seconds", "cpu_seconds")}
    print(json.dumps(slopes), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"shape": SHAPE, "rounds": rounds, "rows": rows, **slopes, "peak_mib": peak}


def photographs(images: int, seed: int) -> list[bytes]:
    """Draws smooth random fields, each octave two thirds as strong as the one before, as JPEGs of quality 90."""
    from PIL import Image

    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(images):
        field = sum(_octave(random, 7 * 2**octave) / 1.5**octave for octave in range(6))
        field += random.normal(0, 0.1, field.shape)  # A sensor's noise.
        pixels = (random.uniform(90, 160) + 60 * field).clip(0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        drawn.append(file.getvalue())
    return drawn


def _octave(random: np.random.Generator, cells: int) -> np.ndarray:
    """Draws noise [H, W, 3] of so many cells a side, its channels much alike."""
    from PIL import Image

    noise = random.normal(0, 0.5, (cells, cells, 1)) + random.normal(0, 0.15, (cells, cells, 3))
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in np.moveaxis(noise, -1, 0)]
    return np.stack([np.asarray(one.resize(SHAPE[1::-1], Image.Resampling.BICUBIC)) for one in channels], axis=-1)


def transform(root: Path, images: int) -> dict[str, float]:
    """Runs the pipeline's Transform on what `write` wrote; returns its seconds and bytes."""
    from tfx.types import channel_utils, standard_artifacts

    from components.dataset_gen.facts import DatasetFacts
    from pipeline import engines, graph

    examples, schema = standard_artifacts.Examples(), standard_artifacts.Schema()
    examples.uri, schema.uri = str(root / "examples"), str(root / "schema")
    examples.split_names = '["train", "validation"]'
    channels = (channel_utils.as_channel([artifact]) for artifact in (examples, schema))
    component = graph.transform(*channels, DatasetFacts("photographs", "", SHAPE, CLASSES, ""))
    with tempfile.TemporaryDirectory(dir=root) as folder:
        began, cpu = time.perf_counter(), time.process_time()
        outputs = _execute(component, Path(folder), {"examples": [examples], "schema": [schema]}, engines.beam_args(()))
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "read_bytes": _size(root / "examples" / "Split-train"),
            "written_bytes": _size(Path(outputs["transformed_examples"][0].uri) / "Split-train"),
        }


def write(root: Path, images: int) -> None:
    """Writes examples as DatasetGen does, and SchemaGen's schema of them; the validation split is next to nothing."""
    (root / "schema").mkdir(parents=True)
    for split in ("train", "validation"):
        (root / "examples" / f"Split-{split}").mkdir(parents=True)
    _shard(root / "examples" / "Split-validation" / "data_tfrecord-00000-of-00001.gz", 1, seed=images)
    for number in range(images // SHARD):
        name = f"data_tfrecord-{number:05}-of-{images // SHARD:05}.gz"
        _shard(root / "examples" / "Split-train" / name, SHARD, seed=number)
    kinds = dict.fromkeys(("image", "class_name"), "BYTES") | {"brightness": "FLOAT"}
    kinds |= dict.fromkeys(("label", "height", "width", "channels"), "INT")
    one = "presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }"
    text = "\n".join(f'feature {{ name: "{name}" type: {kind} {one} }}' for name, kind in kinds.items())
    (root / "schema" / "schema.pbtxt").write_text(text, encoding="utf-8")


def _shard(path: Path, images: int, seed: int) -> None:
    from components.dataset_gen import ingest, inspection, tfrecords

    with tfrecords.Writer(path) as writer:
        for number, image in enumerate(photographs(images, seed)):
            label = number % len(CLASSES)
            writer.write(ingest.example(inspection.inspect(image, "", SHAPE[-1]), label, CLASSES[label]))


def _execute(component: Any, root: Path, inputs: dict[str, Any], beam_args: list[str]) -> dict[str, Any]:
    outputs = {key: [channel.type()] for key, channel in component.outputs.items()}
    for key, (artifact,) in outputs.items():
        artifact.uri = str(root / key)
        Path(artifact.uri).mkdir(parents=True)
    executor = component.executor_spec.executor_class
    context = executor.Context(beam_pipeline_args=beam_args, tmp_dir=str(root / "tmp"), unique_id="1")
    executor(context).Do(inputs, outputs, dict(component.exec_properties))
    return outputs


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
