"""OpenVINO's GPU and NPU: IR that is checked on the CPU, and a kit that says what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecls import intel
from edgecls.core import Purpose, Request
from edgecls.device import meta
from edgecls.graph import CheckpointSource
from edgecls.pipeline.package import package
from edgecls.targets import openvino_gpu, openvino_npu

TARGETS = (openvino_gpu.TARGET, openvino_npu.TARGET)


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx")


@pytest.fixture
def nowhere(monkeypatch):
    monkeypatch.setattr(intel, "has_gpu", lambda: False)
    monkeypatch.setattr(intel, "has_npu", lambda: False)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_ir_is_checked_on_the_cpu(target, precision, source, tiny_data, tmp_path):
    from edgecls import hardware

    scheme = target.scheme(hardware.here()) if precision == "int8" else None
    images = np.asarray(tiny_data["calibration"][0])[:8]
    request = Request(precision, hardware.here(), scheme, images)
    artifact = target.convert(source, request, tmp_path)
    device = target.name.removeprefix("openvino-").upper()
    assert artifact.details["device"] == device
    assert artifact.files == ("model.xml", "model.bin")
    if precision == "fp16":
        assert artifact.details["emulated_max_rel_logit_diff"] < 5e-2
        assert 'element_type="f16"' in (tmp_path / "model.xml").read_text()
    elif "emulated_top1_agreement" in artifact.details:
        assert artifact.details["emulated_top1_agreement"] >= 0.7


@pytest.mark.parametrize(
    ("there", "seen", "status", "reason"),
    [
        (False, ("CPU",), "skipped", "no Intel"),
        (True, ("CPU",), "skipped", "OpenVINO does not see this machine's"),
        (True, ("CPU", "GPU.0", "NPU"), "ok", ""),
    ],
)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_it_runs_where_the_kernel_and_openvino_see_it(
    monkeypatch, target, there, seen, status, reason
):
    monkeypatch.setattr(intel, "has_gpu", lambda: there)
    monkeypatch.setattr(intel, "has_npu", lambda: there)
    monkeypatch.setattr(intel, "seen_by_openvino", lambda: seen)
    can = target.availability()
    assert can.convert.status == "ok" and can.run.status == status and reason in can.run.reason
    assert bool(can.run.fix) is (status != "ok")


def test_the_kit_says_which_device_is_missing(nowhere, source, tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    package("tiny", source, openvino_npu.TARGET, "fp16", bundle, None, Purpose())
    described = meta.read(str(bundle))
    assert described.golden.artifact is None and described.details["device"] == "NPU"
    done = subprocess.run(
        [sys.executable, bundle / "infer.py", "--verify"], capture_output=True, text=True
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    if "NPU" in intel.seen_by_openvino():
        pytest.skip("this machine has an NPU")
    assert (done.returncode, answer["ok"]) == (1, False)
    assert "OpenVINO sees no NPU here, only" in answer["error"] and "driver" in answer["fix"]
    assert "Traceback" not in done.stderr


def test_devices_are_known_by_what_the_kernel_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(intel, "GRAPHICS", tmp_path / "drm")
    monkeypatch.setattr(intel, "ACCELERATORS", tmp_path / "accel")
    assert not intel.has_gpu() and not intel.has_npu()
    for folder, name, vendor in (
        ("drm", "renderD128", "0x10de"),
        ("drm", "renderD129", "0x8086"),
        ("accel", "accel0", "0x8086"),
    ):
        device = tmp_path / folder / name / "device"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
    assert intel.has_gpu() and intel.has_npu()
    (tmp_path / "drm" / "renderD129" / "device" / "vendor").write_text("0x1002\n")
    assert not intel.has_gpu()


def test_openvino_is_asked_in_a_process_of_its_own(monkeypatch):
    intel.seen_by_openvino.cache_clear()
    assert "CPU" in intel.seen_by_openvino()
    for asked in ("raise SystemExit(3)", "import time; time.sleep(9)", "print('no list')"):
        intel.seen_by_openvino.cache_clear()
        monkeypatch.setattr(intel, "_ASK", asked)
        monkeypatch.setattr(intel, "LIMIT_S", 1.0)
        assert intel.seen_by_openvino() == ()
    intel.seen_by_openvino.cache_clear()


def test_the_folder_of_a_device_may_be_unreadable(tmp_path):
    assert intel._vendor(Path(tmp_path / "none")) == ""
