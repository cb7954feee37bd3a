"""Training for int8, from a checkpoint to a checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecls import hardware
from edgecls.core import Context, Dataset, Hardware, Workload
from edgecls.errors import EdgeclsError, UsageError
from edgecls.methods.qat import METHOD
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import JSON
from edgecls.models.normalise import Normalise
from edgecls.models.quantized.fake import FakeQuantize
from edgecls.train.fit import predict

QUICK = {"model": "tiny", "batch_size": 8, "augment": "none"}


def _applied(parent: Path, data: Dataset, root: Path, **options: object) -> Path:
    out = root / "out"
    out.mkdir(parents=True)
    (root / "work").mkdir(exist_ok=True)
    made = METHOD.Options(**{**QUICK, **options})  # type: ignore[arg-type]
    METHOD.apply({"model": parent}, made, Context(data, 0, root / "work"), out)
    return out


def test_the_checkpoint_is_read_back_to_the_bit(tiny_int8: Path, tiny_data: Dataset) -> None:
    found = checkpoints.load(tiny_int8)
    assert found.is_quantized
    assert found.is_reduced
    images, classes = tiny_data["validation"]
    logits = [
        predict(checkpoints.module(found), Normalise(found.preprocess), images) for _ in range(2)
    ]
    assert np.array_equal(*logits)
    top1 = float(np.mean(logits[0].argmax(1) == np.asarray(classes)))
    assert found.metrics["validation"]["top1"] == pytest.approx(top1)


def test_the_net_has_its_parents_price(tiny_int8: Path, tiny_checkpoint: Path) -> None:
    before, after = checkpoints.load(tiny_checkpoint), checkpoints.load(tiny_int8)
    assert after.macs == before.macs
    assert after.arch == before.arch
    steps = sum(isinstance(m, FakeQuantize) for m in checkpoints.module(after).modules())
    assert after.num_params == before.num_params + steps


def test_a_restarted_training_ends_with_the_same_net(
    tiny_checkpoint: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    options = {"epochs": 2, "freeze_bn": 0.5, "freeze_observers": 0.5, "averaging": "ema"}
    whole = _applied(tiny_checkpoint, tiny_data, tmp_path / "whole", **options)

    class Killed(Exception):
        pass

    def after_the_first(done: int, total: int, note: str = "") -> None:
        if note.startswith("epoch 2"):
            raise Killed

    progress = type("Progress", (), {"step": staticmethod(after_the_first)})()
    root = tmp_path / "killed"
    (root / "work").mkdir(parents=True)
    context = Context(tiny_data, 0, root / "work", progress=progress)
    with pytest.raises(Killed):
        METHOD.apply(
            {"model": tiny_checkpoint},
            METHOD.Options(**QUICK, **options),  # type: ignore[arg-type]
            context,
            tmp_path / "never",
        )
    again = _applied(tiny_checkpoint, tiny_data, root, **options)
    one, other = (
        checkpoints.module(checkpoints.load(folder)).state_dict() for folder in (whole, again)
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_training_for_int8_answers_nearer_to_its_teacher(
    tiny_checkpoint: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    """Steps of a fifth of what they should be: the training has to mend that."""
    out = _applied(tiny_checkpoint, tiny_data, tmp_path, epochs=6, alpha=1.0, lr=0.05)
    curves = json.loads((out / "curves.json").read_text(encoding="utf-8"))["epochs"]
    assert curves[-1]["train_loss"] < 0.7 * curves[0]["train_loss"]


def test_what_is_trained_for_int8_is_not_trained_for_it_again(
    tiny_int8: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="already"):
        _applied(tiny_int8, tiny_data, tmp_path, epochs=1)


def test_a_checkpoint_with_other_points_is_refused(tiny_int8: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_int8, tmp_path / "copy")
    told = json.loads((copy / JSON).read_text(encoding="utf-8"))
    told["edits"][-1]["points"].append("fakes.other")
    (copy / JSON).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(EdgeclsError, match=r"other places.*fakes\.other"):
        checkpoints.module(checkpoints.load(copy))


@pytest.mark.parametrize(
    ("machine", "features", "reduced"),
    [("x86_64", ("avx2",), True), ("x86_64", ("avx2", "avx_vnni"), False), ("aarch64", (), False)],
)
def test_weights_are_reduced_as_the_hardware_needs_it(
    machine: str, features: tuple[str, ...], reduced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "here", lambda: Hardware("a cpu", machine, features))
    assert METHOD.Options(model="m").is_reduced is reduced  # type: ignore[attr-defined]
    assert METHOD.Options(model="m", reduce_range="yes").model_dump()["is_reduced"] is True


def test_the_plan_refuses_what_cannot_be_followed(
    tiny_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Workload(64, 10, tiny_data.preprocess)
    options = METHOD.Options(model="m", epochs=1)
    assert METHOD.plan({"model": "lenet5"}, options, work) > 0
    monkeypatch.setattr(
        "edgecls.models.quantized.trace._Tracer.trace", lambda *_: (_ for _ in ()).throw(TypeError)
    )
    with pytest.raises(UsageError, match="cannot be followed"):
        METHOD.plan({"model": "lenet5"}, options, work)
