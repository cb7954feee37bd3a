"""Methods compose in any sensible order; int8 comes last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecls import methods, targets
from edgecls.errors import UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline import nets
from edgecls.pipeline.package import unsuited
from edgecls.pipeline.table import jobs
from edgecls.recipe import ExportSection

CHAIN: dict[str, dict[str, Any]] = {
    "int8": {"method": "qat", "model": "pruned", "teacher": "teacher"},
    "pruned": {"method": "prune", "model": "student", "teacher": "teacher"},
    "student": {"method": "distill", "teacher": "teacher"},
    "teacher": {"method": "train", "arch": "resnet20"},
}


def test_distil_prune_and_int8_compose() -> None:
    names = [net.name for net in nets.resolve(CHAIN)]
    assert names == ["teacher", "student", "pruned", "int8"]


def test_a_net_for_int8_may_teach() -> None:
    more = {"after": {"method": "distill", "teacher": "int8"}}
    assert nets.resolve({**CHAIN, **more})[-1].name == "after"


@pytest.mark.parametrize(
    ("method", "why"), [("prune", "prune would change int8"), ("qat", "already")]
)
def test_nothing_changes_a_net_after_int8(method: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as error:
        nets.resolve({**CHAIN, "after": {"method": method, "model": "int8"}})
    assert error.value.fix


def test_a_checkpoint_for_int8_is_refused_as_well(tiny_int8: Path, tiny_checkpoint: Path) -> None:
    method = methods.get("prune")
    with pytest.raises(UsageError, match="trained for int8"):
        nets.check_order(method, {"model": checkpoints.load(tiny_int8)})
    loaded = {
        "model": checkpoints.load(tiny_checkpoint),
        "teacher": checkpoints.load(tiny_int8),
    }
    nets.check_order(method, loaded)


SPARSE: dict[str, dict[str, Any]] = {
    "teacher": {"method": "train", "arch": "resnet20"},
    "sparse": {"method": "sparsify", "model": "teacher"},
}


@pytest.mark.parametrize("method", ["prune", "qat"])
def test_a_training_that_would_lose_zeros_is_refused(method: str, tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=f"{method} would train sparse without its zeros") as told:
        nets.resolve({**SPARSE, "after": {"method": method, "model": "sparse"}})
    assert told.value.fix
    sparse = replace(checkpoints.load(tiny_checkpoint), edits=({"kind": "sparsify"},))
    with pytest.raises(UsageError, match="without its zeros") as told:
        nets.check_order(methods.get(method), {"model": sparse})
    assert told.value.fix


def test_zeros_may_teach_come_after_a_cut_and_become_more(tiny_checkpoint: Path) -> None:
    more = {
        "taught": {"method": "prune", "model": "teacher", "teacher": "sparse"},
        "last": {"method": "sparsify", "model": "taught"},
        "again": {"method": "sparsify", "model": "last"},
    }
    assert nets.resolve({**SPARSE, **more})[-1].name == "again"
    sparse = replace(checkpoints.load(tiny_checkpoint), edits=({"kind": "sparsify"},))
    nets.check_order(methods.get("sparsify"), {"model": sparse})
    nets.check_order(
        methods.get("qat"), {"model": checkpoints.load(tiny_checkpoint), "teacher": sparse}
    )


def test_a_net_for_int8_is_compared_in_int8() -> None:
    found = jobs(
        nets.resolve(CHAIN),
        "student",
        "teacher",
        [targets.get("onnxruntime"), targets.get("torch")],
        ExportSection(precisions=["fp32", "int8"]),
    )
    told = {(job.model, job.target.name): job.precision for job in found if job.model != "student"}
    assert told[("int8", "onnxruntime")] == "int8"
    assert told[("pruned", "onnxruntime")] == "fp32"
    assert told[("teacher", "torch")] == "fp32"


def test_a_net_for_int8_skips_float(tiny_int8: Path) -> None:
    checkpoint = checkpoints.load(tiny_int8)
    target = targets.get("openvino")
    assert unsuited(checkpoint, target, "int8").status == "ok"
    skipped = unsuited(checkpoint, target, "fp32")
    assert (skipped.status, bool(skipped.reason), bool(skipped.fix)) == ("skipped", True, True)
    assert unsuited(checkpoint, targets.get("torch"), "fp32").status == "ok"


@pytest.mark.parametrize(
    ("option", "method", "smoothing", "told"),
    [
        ("teacher", "train", 0.1, True),
        ("teacher.1", "finetune", 0.2, True),
        ("teacher", "train", 0.0, False),
        ("teacher", "distill", 0.1, False),
        ("model", "train", 0.1, False),
    ],
)
def test_a_teacher_of_smoothed_labels_is_told(
    tiny_checkpoint: Path, option: str, method: str, smoothing: float, told: bool
) -> None:
    provenance = {"method": method, "options": {"label_smoothing": smoothing}}
    parent = replace(checkpoints.load(tiny_checkpoint), provenance=provenance)
    found = nets.caution(option, parent)
    assert bool(found) == told
    assert not told or f"smoothed by {smoothing:g}" in str(found)
