"""Every command of the README runs, in its order, on a small folder of images."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("cat", "dog", "bird")


def commands() -> list[str]:
    """The lines of the README's ``sh`` blocks, without their comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines]


def test_the_readme_leads_with_the_two_commands_and_a_picture():
    assert commands()[:2] == ["make demo", "make test"]
    picture = re.search(r"!\[.*\]\((.*)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert picture and (ROOT / picture.group(1)).is_file()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_knows_the_two_commands(target):
    made = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert {"demo": "edgecls run", "test": "pytest"}[target] in made.stdout


@pytest.mark.slow
def test_every_other_command_runs_in_its_order(tmp_path):
    _images(tmp_path / "my_images")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    ran = 0
    for command in commands():
        if command.startswith("make "):
            continue
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran > 10
    assert (tmp_path / "runs/my_images/report.html").is_file()
    assert (tmp_path / "runs/strict/results.jsonl").is_file()


def _images(folder: Path) -> None:
    """Real handwritten digits under other names."""
    digits = load_digits()
    for number, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for index, scan in enumerate(digits.images[digits.target == number][:40]):
            pixels = np.rint(scan * (255 / 16)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{index}.png")
