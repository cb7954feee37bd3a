"""Several processes that want the same data at once: one makes it, the others wait."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile

import pytest

CODE = """
import json, sys
from pathlib import Path
from edgecls import data as datas
from edgecls.device.preprocess import Preprocess
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import parse
from edgecls.store import Store

class Events:
    stages = []
    def plan(self, lines): ...
    def note(self, text): ...
    def stage(self, name):
        from contextlib import nullcontext
        from edgecls.core import SilentProgress
        return nullcontext(SilentProgress())

root, images, cache_gb = sys.argv[1:]
recipe = parse({"data": {"path": images, "calibration": 8, "cache_gb": float(cache_gb)}})
shop = Workshop(Store(Path(root)), recipe, Events())
sys.stdin.readline()  # all begin at once
place = shop.images()
listing = datas.scan(place)
preprocess = Preprocess((16, 16), mode="L", mean=(0.5,), std=(0.5,))
entry = shop.data(place, shop.fingerprint(listing), preprocess)
loaded = datas.load(entry.out, listing.root)
sums = {split: int(images[:].sum()) for split, (images, _) in loaded.splits.items()}
made = [stage.name for stage in shop.done if not stage.cached]
print(json.dumps([entry.key, sums, made]))
"""


@pytest.mark.parametrize("cache_gb", ["1", "0.000001"])
def test_the_same_data_are_unpacked_and_prepared_once(digit_images, tmp_path, cache_gb):
    archive = tmp_path / "digits.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(digit_images, "digits")
    command = [sys.executable, "-W", "error", "-c", CODE, tmp_path / "store", archive, cache_gb]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=300)[0]) for process in started]
    assert all(process.returncode == 0 for process in started)
    assert len({key for key, _, _ in told}) == 1
    assert all(sums == told[0][1] for _, sums, _ in told)
    made = [name for _, _, names in told for name in names]
    assert sorted(made) == ["data", "unpacking the images"]
    left = {path.name for path in (tmp_path / "store").iterdir()}
    assert len(left - {".work", ".locks", "hashes.json"}) == 2
    assert list((tmp_path / "store/.work").iterdir()) == []
