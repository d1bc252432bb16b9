"""Writes measured results into the README, between their markers: python benchmarks/readme.py"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    output = (RESULTS / "demo.txt").read_text(encoding="utf-8").rstrip()
    text = put(text, "demo", f"```\n{output}\n```")
    readme.write_text(put(text, "timings", timings()), encoding="utf-8")


def timings() -> str:
    """Says how long the main job took, from the benchmark's own file."""
    result = json.loads((RESULTS / "main_job.json").read_text(encoding="utf-8"))
    rows = [f"| {name} | {phase['seconds']:.0f} s |" for name, phase in result["phases"].items()]
    measured = (
        f"Measured by `benchmarks/main_job.py` on {result['date']}, {result['machine']}, commit {result['commit']}:"
    )
    return "\n".join([measured, "", "| main job | took |", "|---|---|", *rows])


def put(text: str, name: str, content: str) -> str:
    """Replaces what stands between the markers of a name."""
    pattern = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


if __name__ == "__main__":
    main()
