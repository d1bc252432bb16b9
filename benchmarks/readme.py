"""Writes measured results into the README, between their markers: python benchmarks/readme.py"""

import dataclasses
import json
import re
from typing import Any

from measured import RESULTS, ROOT

from components.dataset_gen import rules
from pipeline import leaderboard
from pipeline.leaderboard import Row


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    output = (RESULTS / "demo.txt").read_text(encoding="utf-8").rstrip()
    text = put(text, "demo", f"```\n{output}\n```")
    text = put(text, "timings", timings(json.loads((RESULTS / "main_job.json").read_text(encoding="utf-8"))))
    for name, draw in DRAWN.items():
        if (path := RESULTS / f"{name}.json").exists():
            text = put(text, name, draw(json.loads(path.read_text(encoding="utf-8"))))
    text = put(text, "converted", "\n".join(table(["found", "stored is"], list(map(list, rules.CONVERTED.items())))))
    text = put(text, "quarantined", "\n".join(table(["reason", "means"], list(map(list, rules.QUARANTINED.items())))))
    readme.write_text(text, encoding="utf-8")


def timings(result: dict[str, Any]) -> str:
    """Says how long the main job took."""
    rows = [[name, f"{phase['seconds']:.0f} s"] for name, phase in result["phases"].items()]
    return "\n".join([f"{measured('main_job', result)}:", "", *table(["main job", "took"], rows)])


def fleet(result: dict[str, Any]) -> str:
    """Says what every network came to, best first, and shows the chart."""
    fields = {field.name for field in dataclasses.fields(Row)}
    rows = leaderboard.rank(
        Row(model="", **{key: value for key, value in row.items() if key in fields}) for row in result["rows"]
    )
    # All but the version, which is that of the benchmark's own workspace.
    cells = [leaderboard.cells(number, row)[:-1] for number, row in enumerate(rows, start=1)]
    answered = sum(row["answer"] is not None for row in result["rows"])
    wall, tries = leaderboard.duration(result["wall_seconds"]), len(result["attempts"])
    took = f"{len(rows)} networks in {wall}" + (f" over {tries} attempts" if tries > 1 else "")
    intro = (
        f"{measured('fleet', result)}: {took}; {answered} published, served and asked. `train` is the time beside "
        "another network's training, and `p50`, the median for one image over gRPC, was taken beside one too: on a "
        "machine that is free, it is less."
    )
    chart = "![Parameters against multiply-accumulates, coloured by test accuracy](benchmarks/results/fleet.png)"
    return "\n".join([intro, "", chart, "", *table([*leaderboard.COLUMNS[:-1]], cells)])


def folding(result: dict[str, Any]) -> str:
    """Says what folding batch norms into convolutions gains."""
    rows = [
        [row["name"], f"{row['before_ms']:.1f} ms", f"{row['after_ms']:.1f} ms", f"{row['ratio']:.2f}"]
        for row in result["rows"]
    ]
    intro = f"{measured('folding', result)}: one image through the server's engine, both ways in turn."
    return "\n".join([intro, "", *table(["paper form", "as trained", "folded", "times"], rows)])


def cifar10(result: dict[str, Any]) -> str:
    """Says what the small recipes reach on CIFAR-10."""
    rows = [
        [row["architecture"], str(row["epochs"]), f"{row['train_accuracy']:.3f}", f"{row['accuracy']:.3f}"]
        for row in result["rows"]
    ]
    sizes = f"{result['train_images']:,} training and {result['test_images']:,} test images"
    intro = f"{measured('cifar10', result)}, {sizes} of 60,000:"
    return "\n".join([intro, "", *table(["small form", "epochs", "train acc", "test acc"], rows)])


def runner(result: dict[str, Any]) -> str:
    """Says what of a run is not the work of its steps."""
    rows = [
        [name, f"{phase['seconds']:.0f} s", f"{phase['overhead_s']:.0f} s", f"{phase['overhead']:.0%}"]
        for name, phase in result["phases"].items()
    ]
    nodes = next(iter(result["phases"].values()))["nodes"]
    intro = f"{measured('runner', result)}: `convoy run {result['config']}`, {nodes} steps, each way in turn."
    return "\n".join([intro, "", *table(["steps", "took", "without any step at work", "share"], rows)])


def training(result: dict[str, Any]) -> str:
    """Says what training costs beside a bare `fit`."""
    rows = [
        [row["architecture"], *(f"{rate:.0f}" for rate in row["images_per_second"].values()), f"{row['ratio']:.2f}"]
        for row in result["rows"]
    ]
    intro = f"{measured('training', result)}: {result['images']:,} images of 32x32x3, both ways in turn."
    return "\n".join([intro, "", *table(["small form", "bare `fit`, img/s", "Convoy, img/s", "times"], rows)])


def input_pipeline(result: dict[str, Any]) -> str:
    """Says what reading records costs beside an array in memory."""
    rows = [
        [row["way"], f"{row['images_per_second']:.0f}", f"{row['ratio']:.2f}", f"{row['ready_seconds']:.1f} s"]
        for row in result["rows"]
    ]
    intro = (
        f"{measured('input_pipeline', result)}: {result['network']} on {result['images']:,} images of 32x32x3 from "
        f"{result['source']}, all ways in turn."
    )
    return "\n".join([intro, "", *table(["images", "img/s", "times", "before the first batch"], rows)])


def ingest(result: dict[str, Any]) -> str:
    """Says what DatasetGen costs beside a plain loop."""
    rows = [
        [size, row["name"], f"{row['seconds']:.1f} s", f"{row['images_per_second']:,.0f}", f"{row['ratio']:.2f}"]
        for measure in (result, result["photographs"])
        for size in [f"{measure['images']:,} of {measure['image_bytes'] / 1000:,.0f} kB"]
        for row in measure["rows"]
    ]
    memory = " and ".join(f"{megabytes:,.0f} MB for {int(size):,}" for size, megabytes in result["memory_mb"].items())
    intro = (
        f"{measured('ingest', result)}: JPEG files, read, checked and written, all ways in turn. "
        f"Memory at most, in memory: {memory}. To find that nothing has changed in {result['images']:,} files took "
        f"{result['fingerprint_s']:.1f} s. What is not spent on images is the start of Beam, and of a second worker."
    )
    return "\n".join([intro, "", *table(["images", "way", "took", "img/s", "times"], rows)])


def transform(result: dict[str, Any]) -> str:
    """Says what Transform costs by 1,000 images."""
    many = result["rows"][-1]
    thousands = many["images"] / 1000
    height, width, channels = result["shape"]
    read, written = (f"{many[f'{key}_bytes'] / thousands / 1e6:.1f} MB" for key in ("read", "written"))
    pixels = f"{4 * height * width * channels * 1000 / 1e6:.0f} MB"
    times = (f"{result[key]:.2f} s" for key in ("seconds_per_1000", "cpu_seconds_per_1000"))
    cells = [*times, read, written, pixels, f"{result['peak_mib'] / 1024:.1f} GiB"]
    columns = ["time", "of processors", "read", "written", "as float pixels", f"memory, {many['images']:,} images"]
    intro = (
        f"{measured('transform', result)}: 1,000 JPEGs of {height}x{width}x{channels}, one process; what any number of "
        "images costs is not in the time, and what TensorFlow and TFX take is in the memory."
    )
    return "\n".join([intro, "", *table(columns, [cells])])


def measured(benchmark: str, result: dict[str, Any]) -> str:
    """Says which benchmark measured, when and on what."""
    return (
        f"Measured by `benchmarks/{benchmark}.py` on {result['date']}, {result['machine']}, commit {result['commit']}"
    )


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Draws a table of Markdown."""
    heading, *body = (f"| {' | '.join(cells)} |" for cells in (columns, *rows))
    return [heading, f"|{'---|' * len(columns)}", *body]


def put(text: str, name: str, content: str) -> str:
    """Replaces what stands between the markers of a name."""
    pattern = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


DRAWN = {
    "fleet": fleet,
    "folding": folding,
    "cifar10": cifar10,
    "runner": runner,
    "training": training,
    "input_pipeline": input_pipeline,
    "transform": transform,
    "ingest": ingest,
}

if __name__ == "__main__":
    main()
