import re

import fleet_chart
import pytest
import readme
from PIL import Image

import models

ROWS = [
    {
        "architecture": name,
        "family": models.variant(name).family,
        "state": "published",
        "note": "",
        "accuracy": 0.97 + number / 1000,
        "params": 60_000 * (number + 1),
        "macs": 400_000 * (number + 1),
        "train_seconds": 12.5,
        "size_bytes": 240_000,
        "p50_ms": 1.5,
        "version": 1,
        "label": "stable",
        "answer": {"version": 1, "class": "4", "right": "4"},
    }
    for number, name in enumerate(models.names())
]
FAILED = ROWS[0] | dict.fromkeys(("accuracy", "params", "macs", "train_seconds", "size_bytes", "p50_ms", "answer"))
ABOUT = {"date": "2026-01-02", "commit": "abc1234", "machine": "2 cores", "dataset": "digits", "wall_seconds": 4020.0}
RESULT = {**ABOUT, "attempts": [{}], "rows": ROWS}


def test_the_table_has_every_network_best_first():
    text = readme.fleet(RESULT)
    assert "`benchmarks/fleet.py` on 2026-01-02, 2 cores, commit abc1234" in text
    assert f"{len(ROWS)} networks in 1h07m; {len(ROWS)} published, served and asked." in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {9}
    assert [line.split(" | ")[1] for line in table[2:]] == [row["architecture"] for row in reversed(ROWS)]
    assert table[-1] == "| 31 | lenet5 | 0.9700 | 60k | 400k | 12.5s | 240kB | 1.5ms |".replace("31", str(len(ROWS)))


def test_a_network_that_failed_and_attempts_are_not_hidden():
    text = readme.fleet(RESULT | {"rows": [*ROWS[1:], FAILED | {"state": "failed"}], "attempts": [{}, {}]})
    assert f"in 1h07m over 2 attempts; {len(ROWS) - 1} published" in text
    assert text.splitlines()[-1] == f"| {len(ROWS)} | lenet5 | - | - | - | - | - | - |"


def test_what_reading_costs_is_a_row_for_each_way():
    row = {"way": "in files", "images_per_second": 1234.5, "ratio": 0.912, "ready_seconds": 0.25}
    text = readme.input_pipeline(ABOUT | {"network": "lenet5", "images": 60_000, "source": "a.tar", "rows": [row]})
    assert "lenet5 on 60,000 images of 32x32x3 from a.tar" in text
    assert text.splitlines()[-1] == "| in files | 1234 | 0.91 | 0.2 s |"


def test_the_readme_has_a_place_for_each_result():
    text = (readme.ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("demo", "timings", "fleet", "input_pipeline", "transform"):
        assert f"<!-- {name}:" in readme.put(text, name, "something new")
        assert "something new" in readme.put(text, name, "something new")
        assert len(re.findall(rf"<!-- /?{name}\b", text)) == 2


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [*ROWS[1:], FAILED]])
def test_the_chart_is_drawn_of_what_was_measured(tmp_path, rows):
    fleet_chart.draw(RESULT | {"rows": rows}, tmp_path / "fleet.png")
    with Image.open(tmp_path / "fleet.png") as picture:
        assert picture.width > picture.height > 500


def test_what_transform_costs_is_by_a_thousand_images():
    rows = [{"images": count, "read_bytes": 18_000 * count, "written_bytes": 19_000 * count} for count in (1000, 2000)]
    slopes = {"seconds_per_1000": 0.714, "cpu_seconds_per_1000": 0.9}
    text = readme.transform(ABOUT | slopes | {"shape": [224, 224, 3], "peak_mib": 1536.0, "rows": rows})
    assert text.splitlines()[-1] == "| 0.71 s | 0.90 s | 18.0 MB | 19.0 MB | 602 MB | 1.5 GiB |"
