"""``edgecls run`` as people call it, in a process of its own, its output piped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = """
threads = 1

[data]
path = {images}
calibration = 10

[models.net]
method = "train"
arch = "lenet5"
epochs = 2
batch_size = 16

[export]
targets = ["onnxruntime"]
precisions = ["fp32"]

[bench]
launches = 1
rounds = 1
queries = 10
seconds = 0
"""


@pytest.fixture(scope="module")
def folder(digit_images, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    (root / "digits.toml").write_text(RECIPE.format(images=json.dumps(str(digit_images))))
    return root


def edgecls(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # Colour is not even forced where a terminal seems to be.
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "edgecls", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, env=environment)


@pytest.fixture(scope="module")
def ran(folder) -> subprocess.CompletedProcess[bytes]:
    return edgecls(folder, "run", "digits.toml")


def test_it_ends_with_the_report(ran, folder):
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout.decode().splitlines()[-1] == "report: runs/digits/report.html"
    assert (folder / "runs" / "digits" / "report.html").is_file()


def test_what_is_piped_is_plain(ran):
    assert b"\x1b" not in ran.stdout + ran.stderr and b"\r" not in ran.stdout + ran.stderr
    out, err = ran.stdout.decode(), ran.stderr.decode()
    assert "onnxruntime" in out and "finished in" in out
    assert "edgecls run digits:" in err and "net: train lenet5, about" in err
    assert "Warning" not in err and "DEBUG" not in err


def test_the_report_can_be_written_again(ran, folder):
    report = folder / "runs" / "digits" / "report.html"
    before = report.read_bytes()
    report.unlink()
    done = edgecls(folder, "report", "runs/digits")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == "report: runs/digits/report.html\n"
    assert report.read_bytes() == before


def test_a_reader_that_goes_away_is_no_traceback(folder):
    command = [sys.executable, "-m", "edgecls", "targets"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() != 0
