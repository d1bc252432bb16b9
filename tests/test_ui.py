"""MLflow's UI in a browser, after real runs: what people see who come to choose a model."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is required")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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
CONFIG = """
[dataset]
name = "digits"
[architectures.lenet5]
epochs = 2
[architectures.lenet5_1998]
epochs = 2
[gate]
min_accuracy = 0.1
max_regression = 1.0
"""
PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is required on PATH (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs two networks, and one of them once more, trained longer."""
    root = tmp_path_factory.mktemp("ui")
    (root / "two.toml").write_text(CONFIG)
    for options in ([], ["--set", "architectures.lenet5.epochs=4"]):
        command = [Path(sys.executable).with_name("convoy"), "run", "two.toml", *options]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return root / "workspace"


@pytest.fixture(scope="module")
def address(workspace: Path) -> Iterator[str]:
    """Opens `convoy ui`; returns the link that it prints."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("convoy"), "ui", f"--workspace={workspace}", f"--port={port}"]
    log = workspace / "ui.log"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield re.findall(r"digits, ranked: (\S+)", log.read_text())[0]
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Returns a page with the ranked view open, as its visitor sees it once the assistant is put away."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    found = context.new_page()
    found.set_default_timeout(PATIENCE_MS)
    found.goto(address)
    found.get_by_role("gridcell", name="lenet5 v2").first.wait_for()
    found.get_by_label("Close").first.click()
    yield found
    context.close()


def column(page: Any, title: str) -> list[str]:
    """Reads a column of the table of runs, from top to bottom."""
    header = page.get_by_role("columnheader", name=title).first
    cells = page.locator(f".ag-row [col-id='{header.get_attribute('col-id')}']").all()
    rows = sorted((float(cell.locator("xpath=..").get_attribute("row-index")), cell.inner_text()) for cell in cells)
    return [text for _, text in rows]


def test_the_link_of_the_command_ranks_the_trainings_beside_what_they_differ_by(page: Any) -> None:
    accuracies = [float(text.rstrip("…")) for text in column(page, "eval/accuracy") if text != "-"]
    assert len(accuracies) == 3
    assert accuracies == sorted(accuracies, reverse=True)
    headers = page.locator(".ag-header-cell").all_inner_texts()
    assert {"best/val_accuracy", "serve/latency_ms_p50", "architecture", "recipe.epochs"} <= set(headers)
    assert not {"form", "recipe.flip"} & set(headers), "neither differs"


def test_the_runs_selected_are_compared_parameters_that_differ_marked(page: Any) -> None:
    for name in ("lenet5 v1", "lenet5 v2"):
        row = page.get_by_role("gridcell", name=name).first.locator("xpath=ancestor::*[@row-index]").first
        index = row.get_attribute("row-index")
        page.locator(f".ag-row[row-index='{index}'] input[type=checkbox]").first.check()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    page.get_by_text("recipe.momentum", exact=True).wait_for()
    page.get_by_text("Show diff only").first.click()
    page.get_by_text("recipe.momentum", exact=True).wait_for(state="detached")
    assert page.get_by_text("recipe.epochs", exact=True).count() > 0


def test_the_registered_model_leads_to_the_alias_and_its_description(page: Any, address: str) -> None:
    page.goto(f"{address.partition('#')[0]}#/models/digits_lenet5")
    page.get_by_text("Version 2").first.wait_for()
    page.get_by_text("champion").first.wait_for()
    page.goto(f"{address.partition('#')[0]}#/models/digits_lenet5/versions/2")
    page.get_by_text("Blessed by the evaluation and by infra validation.").wait_for()
    assert "champion" in page.get_by_text("Aliases:").locator("xpath=../..").inner_text()


def test_the_run_of_the_pipeline_shows_its_table_and_its_picture(page: Any, workspace: Path) -> None:
    run = sorted(path.name for path in (workspace / "runs").iterdir())[-1]
    page.get_by_role("link", name=run).first.click()
    page.get_by_text("2 networks on digits; best on the test split").wait_for()
    page.get_by_text("Show more").first.click()
    picture = page.locator("img[src*='tradeoff.png']")
    picture.wait_for()
    page.wait_for_function("picture => picture.naturalWidth == 720", arg=picture.element_handle())
    page.get_by_role("link", name="lenet5", exact=True).first.wait_for()


def test_the_models_of_the_experiment_stand_with_version_data_and_metrics(page: Any) -> None:
    page.get_by_role("link", name="Models", exact=True).first.click()
    page.get_by_role("columnheader", name="Registered models").wait_for()
    page.get_by_role("link", name="digits_lenet5_1998").first.wait_for()
    text = page.locator("body").inner_text()
    assert re.search(r"digits \(#\w+", text)
