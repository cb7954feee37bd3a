"""``edgecls bench --on``: one table for this machine and for devices, whatever befalls them."""

from __future__ import annotations

import re
import shlex
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecls.bench.images import balanced
from edgecls.bench.proof import prove
from edgecls.bench.protocol import Protocol
from edgecls.core import read_results
from edgecls.device import meta
from edgecls.errors import RunnerError
from edgecls.pipeline.benching import bench
from edgecls.pipeline.events import Silent
from edgecls.remote.connected import hosts
from edgecls.remote.local import HERE
from edgecls.runner import Runner
from tests.cli.conftest import edgecls  # noqa: F401 - a fixture

FakeBundle = Callable[..., Path]
QUICK = ("--launches", 2, "--rounds", 2, "--queries", 16, "--seconds", 0)
DIGITS = tuple("0123456789")


def test_one_table_compares_this_machine_and_a_device(
    edgecls,  # noqa: F811
    device,
    tiny_bundle: Path,
    digit_images: Path,
    tmp_path: Path,
) -> None:
    ended = edgecls(
        *("bench", tiny_bundle, "--on", "local", "--on", device.address, *QUICK),
        *("--data", digit_images, "--images", 40, "--out", "rows.jsonl"),
    )
    assert ended.status == 0, ended.err
    here, there = read_results(tmp_path / "cwd" / "rows.jsonl")
    assert (here.device, there.device) == ("host", device.address)
    assert here.measured == there.measured == "ok"
    assert there.num_queries == here.num_queries == 16
    assert (there.top1, there.num_images) == (here.top1, 40)
    assert there.bundle_sha256 == here.bundle_sha256 == meta.bundle_sha256(str(tiny_bundle))
    assert there.environment["provider"] == "CPUExecutionProvider"
    assert there.environment["cpu"] == here.environment["cpu"]
    assert there.preprocess_p50_ms and there.end_to_end_p50_ms and there.load_ms
    assert there.protocol == here.protocol
    assert device.address in " ".join(ended.out.split())


def readme_commands() -> list[list[str]]:
    """The commands of the README's section about devices."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## On the device\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```console\n(.*?)^```", section, re.M | re.S)
    return [shlex.split(line) for line in block.splitlines()]


def test_the_readmes_command_for_a_device_runs(
    edgecls,  # noqa: F811
    device,
    tiny_bundle: Path,
    digit_images: Path,
) -> None:
    """On this device, this bundle and these images; the other lines are understood."""
    first, *others = readme_commands()
    places = {
        "ssh://pi@raspberrypi.local": device.address,
        "bundles/onnxruntime-int8": tiny_bundle,
        "my_images/": digit_images,
    }
    ended = edgecls(*(places.get(word, word) for word in first[1:]), *QUICK, "--images", 5)
    assert ended.status == 0, ended.err
    for words in others:
        ended = edgecls(*words[1:])
        assert ended.status == 2 and "there is no bundles/" in ended.err


def test_every_prediction_there_is_the_one_here(
    device, tiny_bundle: Path, digit_images: Path
) -> None:
    images = balanced(digit_images, DIGITS, 120)
    (there,) = hosts([device.address])
    try:
        found = prove(tiny_bundle, there, images, threads=1)
    finally:
        there.close()
    assert found.fell_out.error == ""
    assert found.predicted == prove(tiny_bundle, HERE, images, threads=1).predicted
    assert len(found.predicted) == 120 and all(found.predicted)


def test_a_connection_that_is_cut_in_the_middle_of_a_round_costs_one_row(
    device, tiny_bundle: Path, fake_bundle: FakeBundle, tmp_path: Path
) -> None:
    """The bundle that was asked then is lost; the others go on, on the same device as well."""
    marker = tmp_path / "in the round"
    waits = fake_bundle(
        run=f"if self.queries > 9: import time; open({str(marker)!r}, 'w').close(); time.sleep(30)"
    )

    def cut() -> None:
        while not marker.exists():
            time.sleep(0.02)
        device.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    rows = bench(
        [tiny_bundle, waits],
        Protocol(launches=2, rounds=2, queries=16, seconds=0.0),
        True,
        Silent(),
        hosts([device.address]),
    )
    cutter.join()
    whole, lost = rows
    assert (lost.measured, whole.measured) == ("failed", "ok")
    assert f"the connection to {device.address} broke" in lost.reason
    assert lost.latency_p50_ms is None and lost.fix
    assert whole.num_queries == 16


def test_a_device_that_vanishes_costs_its_rows_and_the_run_ends_well(
    edgecls,  # noqa: F811
    device,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    gone = "ssh://127.0.0.1:1"
    ended = edgecls(
        *("bench", tiny_bundle, "--on", gone, "--on", "local", *QUICK, "--out", "rows.jsonl")
    )
    assert ended.status == 1
    lost, here = read_results(tmp_path / "cwd" / "rows.jsonl")
    assert (lost.measured, here.measured) == ("failed", "ok")
    assert "it cannot be reached" in lost.reason and "ssh -p 1 127.0.0.1" in lost.fix
    assert f"error: tiny · onnxruntime · fp32 · {gone}: {gone}: it cannot be reached" in ended.err
    assert "Traceback" not in ended.err


def test_nothing_of_a_changed_bundle_travels(edgecls, device, bundle_copy: Path) -> None:  # noqa: F811
    (bundle_copy / "model.onnx").write_bytes(b"another model")
    ended = edgecls("bench", bundle_copy, "--on", device.address)
    assert ended.status == 1 and "model.onnx has changed" in ended.err
    assert not device.cache.exists()


def wheel(folder: Path, name: str, files: dict[str, str]) -> None:
    """A package of the given files, as pip installs it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    whole = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in [*whole, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**whole, f"{info}/RECORD": record}.items():
            archive.writestr(each, text)


def test_setup_makes_an_environment_of_the_requirements_once(
    device, fake_bundle: FakeBundle, tmp_path: Path
) -> None:
    """A wheel with the one module that is missing; it leads to this Python's numpy and Pillow."""
    packages = tmp_path / "wheels"
    packages.mkdir()
    settings = device.home / ".config" / "pip"
    settings.mkdir(parents=True)
    (settings / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {packages}\n")
    bundle = fake_bundle(start="import tinyruntime")
    (bundle / "requirements.txt").write_text("tinyruntime==1.0\n")
    meta.write(str(bundle), meta.read(str(bundle)))

    def start(setup: bool) -> None:
        (there,) = hosts([device.address], setup=setup)
        try:
            with Runner(bundle, trust_code=True, host=there) as runner:
                assert runner.ask({"do": "verify"})["ok"]
        finally:
            there.close()

    with pytest.raises(RunnerError, match="No module named 'tinyruntime'") as caught:
        start(setup=False)
    assert "--setup" in caught.value.fix
    # No package index has it: what was half made is no environment.
    with pytest.raises(RunnerError, match="No matching distribution") as caught:
        start(setup=True)
    assert "tinyruntime==1.0" in caught.value.cause and "pip config" in caught.value.fix
    assert [path.suffix for path in (device.cache / "envs").glob("[0-9a-f]*")] == [".part"]

    site = str(Path(np.__file__).parents[1])
    wheel(packages, "tinyruntime", {"tinyruntime.py": "", "tinyruntime.pth": site + "\n"})
    start(setup=True)
    (made,) = (device.cache / "envs").glob("[0-9a-f]*")
    first = (made / "bin" / "python").lstat().st_ctime_ns
    start(setup=True)
    assert (made / "bin" / "python").lstat().st_ctime_ns == first


def test_nothing_was_written_into_the_real_home(device, tiny_bundle: Path) -> None:
    real = Path("~").expanduser() / ".cache" / "edgecls" / "bundles"
    before = set(real.iterdir()) if real.is_dir() else set()
    (there,) = hosts([device.address])
    with Runner(tiny_bundle, host=there):
        pass
    there.close()
    assert (set(real.iterdir()) if real.is_dir() else set()) == before
