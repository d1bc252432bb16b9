"""What the demo does when its server does not stay."""

import subprocess
import sys

import pytest

from pipeline.demo import Server
from pipeline.errors import ConvoyError


def test_a_server_that_ends_is_not_waited_for_and_its_last_words_are_passed_on(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("an older line\nconvoy: A free port is required.\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    server = Server("127.0.0.1:1", process, log)
    with pytest.raises(ConvoyError, match=r"Received: its end\. convoy: A free port is required\."):
        server.wait_for("digits_lenet5", 1)
    process.wait()
