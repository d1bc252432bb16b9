"""What DatasetGen costs beside a plain loop that reads, checks and writes the same images, in turn.

    python benchmarks/ingest.py                          20,000 images generated for it
    python benchmarks/ingest.py cifar10-images.tar.gz    an archive or a folder: {train,test}/<class>/*.jpg

The plain loop is what one would write without Convoy: for each file, read, decode and check it (by the same rules,
copies included), make a tf.train.Example, and write it with TensorFlow's writer. Every side works in a process of its
own that has imported what it needs. A ratio of 1 means as many images a second as the loop. The same with photographs,
since what a run costs beside its images, and what a second worker costs before it works, are the same for both. Then
the peak memory of DatasetGen, on a quarter of the images and on all. Writes `benchmarks/results/ingest.json`.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import RESULTS, circumstances

GENERATED = 20_000
PHOTOGRAPHS = 2_000
IN_MEMORY: list[str] = []
TWO_WORKERS = ["--direct_num_workers=2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, help="an archive, or a folder of images")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = images(arguments.source, Path(scratch) / "images")
        content = {**circumstances(), **measure(folder, Path(scratch), arguments.rounds)}
        content |= memory(folder, Path(scratch))
        folder = generate(Path(scratch) / "photographs", PHOTOGRAPHS, (480, 640))
        content["photographs"] = measure(folder, Path(scratch), arguments.rounds)
    (RESULTS / "ingest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def images(source: Path | None, target: Path) -> Path:
    """Returns a folder of images: the one that is named, an archive's, or a generated one."""
    if source is None:
        return generate(target, GENERATED, (32, 32))
    if source.is_dir():
        return source
    with tarfile.open(source) as archive:
        archive.extractall(target, filter="data")
    return target


def generate(target: Path, count: int, shape: tuple[int, int]) -> Path:
    """Draws smooth random images with some noise, as JPEG files of two splits and ten classes."""
    from PIL import Image

    draw = np.random.default_rng(0)
    height, width = shape
    grain = draw.normal(0, 12, (height, width, 3))
    for row in range(count):
        path = target / ("test" if row % 7 == 0 else "train") / str(row % 10) / f"{row:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 256, (5, 5, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(path)
    return target


def measure(folder: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """Takes all sides in turn; returns what each took."""
    sides = {"loop": (plain, ()), "in memory": (convoy, (IN_MEMORY,)), "two workers": (convoy, (TWO_WORKERS,))}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    in_process(fingerprint, folder, scratch)  # And so every file is in the cache of the disk.
    for _ in range(rounds):
        for name, (work, options) in sides.items():
            seconds[name].append(in_process(work, folder, scratch, *options)["seconds"])
            print(f"{name:12} {seconds[name][-1]:6.1f} s", flush=True)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    rows = [
        {"name": name, "seconds": median, "images_per_second": count / median, "ratio": medians["loop"] / median}
        for name, median in medians.items()
    ]
    again = [in_process(fingerprint, folder, scratch)["seconds"] for _ in range(2)][-1]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // count
    return {"images": count, "image_bytes": size, "rows": rows, "fingerprint_s": again}


def memory(folder: Path, scratch: Path) -> dict[str, Any]:
    """Returns the peak memory of DatasetGen, on a quarter of the images and on all."""
    quarter = some(folder, scratch / "quarter")
    found = {}
    for where in (quarter, folder):
        count = sum(1 for path in where.rglob("*") if path.is_file())
        found[str(count)] = in_process(convoy, where, scratch, IN_MEMORY)["megabytes"]
    return {"memory_mb": found}


def some(folder: Path, target: Path) -> Path:
    """Links a quarter of the files into another folder."""
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        if number % 4 == 0:
            link = target / path.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)
    return target


def in_process(work: Any, *arguments: Any) -> dict[str, float]:
    """Runs `work` in a process of its own, and returns its answer."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answer: dict[str, float] = pool.apply(work, arguments)
        return answer


def plain(folder: Path, scratch: Path) -> dict[str, float]:
    """Reads, checks and writes in one loop; a file a split."""
    import tensorflow as tf

    from components.dataset_gen import inspection

    output = Path(tempfile.mkdtemp(dir=scratch))
    warm(folder)
    began = time.perf_counter()
    classes = sorted({path.name for path in folder.glob("*/*")})
    seen: dict[bytes, Path] = {}
    bad = []
    for split in sorted(path.name for path in folder.iterdir()):
        with tf.io.TFRecordWriter(str(output / f"{split}.gz"), "GZIP") as writer:
            for label, name in enumerate(classes):
                for path in sorted((folder / split / name).iterdir()):
                    try:
                        sound = inspection.inspect(path.read_bytes(), path.name, 3)
                    except inspection.Unfit as fault:
                        bad.append((path, fault.reason))
                        continue
                    if sound.digest in seen:
                        bad.append((path, f"the same as {seen[sound.digest]}"))
                        continue
                    seen[sound.digest] = path
                    ints = {"label": label, "height": sound.height, "width": sound.width, "channels": sound.channels}
                    texts = {"image": sound.encoded, "class_name": name.encode()}
                    feature = {
                        key: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                        for key, value in ints.items()
                    }
                    for key, value in texts.items():
                        feature[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    feature["brightness"] = tf.train.Feature(float_list=tf.train.FloatList(value=[sound.brightness]))
                    example = tf.train.Example(features=tf.train.Features(feature=feature))
                    writer.write(example.SerializeToString())
    return finished(began, output)


def convoy(folder: Path, scratch: Path, args: list[str]) -> dict[str, float]:
    """Runs DatasetGen's executor; what the graph has found out of the folder is known, as in a run."""
    from tfx.types import standard_artifacts

    from components.artifacts import Ingestion
    from components.dataset_gen import executor, sources
    from components.dataset_gen.facts import Settings
    from pipeline import engines

    settings = Settings("images", str(scratch / "work"), path=str(folder))
    properties = {"settings": settings.to_json(), "fingerprint": sources.opened(settings).facts.fingerprint, "span": 1}
    output = Path(tempfile.mkdtemp(dir=scratch))
    artifacts = {"examples": standard_artifacts.Examples(), "ingestion": Ingestion()}
    for key, artifact in artifacts.items():
        artifact.uri = str(output / key)
        (output / key).mkdir()
    context = executor.Executor.Context(tmp_dir=str(output / "tmp"), unique_id="1", pipeline_run_id="1")
    context.beam_pipeline_args, context.make_beam_pipeline_fn = engines.beam_args(args), None
    warm(folder)
    began = time.perf_counter()
    executor.Executor(context).Do({}, {key: [artifact] for key, artifact in artifacts.items()}, properties)
    return finished(began, output)


def fingerprint(folder: Path, scratch: Path) -> dict[str, float]:
    """Finds out what is in the folder, as every run does at its start."""
    from components.dataset_gen import sources
    from components.dataset_gen.facts import Settings

    began = time.perf_counter()
    sources.opened(Settings("images", str(scratch / "work"), path=str(folder))).facts  # noqa: B018
    return {"seconds": time.perf_counter() - began}


def warm(folder: Path) -> None:
    """Reads all files, so that the clock finds them in memory: how fast the disk is, is not the question."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


def finished(began: float, output: Path) -> dict[str, float]:
    seconds = time.perf_counter() - began
    shutil.rmtree(output)
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
