"""Takes the README's pictures of MLflow's UI: python benchmarks/screenshots.py [WORKSPACE]

Needs Chromium on PATH, and a workspace that `make demo` left. Writes `mlflow_ranking.png`, the trainings
of a data set, and `mlflow_run.png`, the newest pipeline run, into `benchmarks/results/`.
"""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measured import RESULTS
from PIL import Image
from playwright.sync_api import sync_playwright

PORT = 5099
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH = 1440


def main() -> None:
    workspace = Path(sys.argv[1] if len(sys.argv) > 1 else "workspace").absolute()
    summary = json.loads(sorted(workspace.glob("runs/*/summary.json"))[-1].read_text(encoding="utf-8"))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with ui(workspace) as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 640})
        page.goto(address)
        page.get_by_label("Close").first.click()  # MLflow's assistant.
        page.get_by_role("columnheader", name="serve/latency_ms_p50").first.wait_for()
        page.get_by_role("button", name="Exit shared view").locator("xpath=following-sibling::button").click()
        keep(page, "mlflow_ranking.png")
        page.set_viewport_size({"width": WIDTH, "height": 820})
        page.get_by_role("link", name=summary["run_id"]).first.click()
        page.goto(f"{page.url.partition('?')[0]}?workflowType=machine_learning")
        page.get_by_text("Show more").first.click()
        page.locator("img[src*='tradeoff.png']").wait_for()
        keep(page, "mlflow_run.png")
        browser.close()


@contextlib.contextmanager
def ui(workspace: Path) -> Iterator[str]:
    """Runs `convoy ui`; yields the link to the ranking that it prints."""
    command = [Path(sys.executable).with_name("convoy"), "ui", f"--workspace={workspace}", f"--port={PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (link,) = re.findall(r"ranked: (\S+)", process.stdout.readline())
        while not answers(f"http://127.0.0.1:{PORT}/health"):
            time.sleep(0.2)
        try:
            yield link
        finally:
            process.terminate()


def answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


def keep(page: Any, name: str) -> None:
    """Saves what the page shows, once it stands still."""
    page.mouse.move(WIDTH - 5, 300)
    page.wait_for_timeout(2000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    # A palette of 256 colours makes a third of it; of the ways to choose them, this one keeps rare ones.
    picture.quantize(method=Image.Quantize.MAXCOVERAGE).save(RESULTS / name, optimize=True)
    print(f"{name}: {(RESULTS / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
