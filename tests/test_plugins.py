"""Targets and methods by name: our files, and what an installed package adds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecls import bundle, methods, plugins, targets
from edgecls.core import DONE, Artifact, Hardware, Request
from edgecls.device import meta
from edgecls.errors import EdgeclsError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint
from edgecls.runner import Runner

TARGET = """
from edgecls.core import DONE, Artifact, Availability, Outcome, Scheme


class Npu:
    name, title, version = "npu", "A vendor's NPU", 1
    precisions, kit = ("fp32",), "npu"
    requirements, packages, host_only = ("npu-runtime",), (), False

    def availability(self):
        return Availability(convert=DONE, compile=DONE, run=DONE)

    def scheme(self, hardware):
        return Scheme("int8", symmetric_activations=True)

    def convert(self, source, request, out):
        (out / "model.npu").write_bytes(b"a blob")
        return Artifact("npu", request.precision, out, ("model.npu",), DONE)

    def snippet(self, model_file):
        return "npu.run()"


TARGET = Npu()
"""

KIT = """
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)
sys.dont_write_bytecode = True
from harness.harness import main


class Runner:
    def __init__(self, folder, meta, threads):
        from harness import golden

        self.logits = golden.load_array(os.path.join(folder, golden.SOURCE))
        self.tensors = golden.inputs(folder, meta)

    def run(self, images):
        same = [(self.tensors == image).all(axis=(1, 2, 3)).argmax() for image in images]
        return self.logits[same]

    def about(self):
        return {"runtime": "npu 1", "provider": "NPU"}


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
"""

ENTRY_POINTS = """
[edgecls.targets]
npu = vendor_npu.target:TARGET
onnxruntime = vendor_npu.target:TARGET
broken = vendor_npu.no_such_module:TARGET
hollow = vendor_npu.target:NO_SUCH_NAME

[edgecls.methods]
tickle = vendor_npu.target:TARGET

[edgecls.kits]
npu = vendor_npu.kit
"""


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of somebody else, installed: its module, its kit and its entry points."""
    package = tmp_path / "site" / "vendor_npu"
    (package / "kit").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "target.py").write_text(TARGET)
    (package / "kit" / "infer.py").write_text(KIT)
    info = tmp_path / "site" / "vendor_npu-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor-npu\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(package.parent))
    plugins._group.cache_clear()
    yield package
    plugins._group.cache_clear()
    for name in [name for name in sys.modules if name.startswith("vendor_npu")]:
        del sys.modules[name]


def test_names_are_files_with_dashes() -> None:
    assert {"onnxruntime", "openvino", "tensorrt", "tensorrt-rtx", "torch"} <= set(targets.names())
    assert {"train", "distill", "prune"} <= set(methods.names())


def test_every_name_gives_the_part_of_that_name() -> None:
    assert [targets.get(name).name for name in targets.names()] == targets.names()
    assert [methods.get(name).name for name in methods.names()] == methods.names()


def test_an_unknown_name_is_refused_with_the_nearest_and_all_valid_ones() -> None:
    with pytest.raises(UsageError, match="unknown target: 'openvno'") as caught:
        targets.get("openvno")
    assert "did you mean 'openvino'?" in caught.value.fix
    assert all(name in caught.value.fix for name in targets.names())
    with pytest.raises(UsageError, match="unknown method: '__init__'"):
        methods.get("__init__")


def test_a_package_adds_a_target_and_a_method(vendor: Path) -> None:
    assert "npu" in targets.names()
    assert "tickle" in methods.names()
    assert "vendor_npu.target" not in sys.modules  # a listing imports nothing
    assert targets.get("npu").title == "A vendor's NPU"


def test_a_package_cannot_replace_a_target_of_ours(vendor: Path) -> None:
    assert targets.get("onnxruntime").title == "ONNX Runtime (CPU)"
    assert targets.names().count("onnxruntime") == 1


@pytest.mark.parametrize("name", ["broken", "hollow"])
def test_an_entry_that_does_not_load_is_named(vendor: Path, name: str) -> None:
    with pytest.raises(EdgeclsError, match=f"the target '{name}' of vendor_npu.* does not load"):
        targets.get(name)


def test_its_bundle_carries_its_kit_and_proves_itself(
    vendor: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    target, source = targets.get("npu"), CheckpointSource(tiny_checkpoint, tmp_path / "graph.onnx")
    converted, out = tmp_path / "converted", tmp_path / "bundle"
    converted.mkdir()
    out.mkdir()
    here = Hardware("a board", "aarch64")
    artifact = target.convert(source, Request("fp32", here), converted)
    assert artifact == Artifact("npu", "fp32", converted, ("model.npu",), DONE)
    contents = bundle.Contents(
        "tiny", artifact, target, checkpoint.load(tiny_checkpoint), source, here
    )
    bundle.make(contents, out, runs_here=True)
    assert meta.read(str(out)).kit == "npu"
    assert (out / "infer.py").read_text() == KIT
    with Runner(out) as runner:  # trusted: it equals an installed kit
        assert runner.ask({"do": "verify"})["ok"]
        assert runner.hello["about"]["provider"] == "NPU"
    assert np.load(out / "golden" / "artifact_logits.npy").shape == (8, 10)
