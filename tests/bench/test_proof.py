"""What a bundle answers before it is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls.bench.images import Image, balanced
from edgecls.bench.proof import prove
from edgecls.core import Measurement
from edgecls.device import stats
from edgecls.remote.local import HERE, LocalHost

DIGITS = tuple("0123456789")
ROW = Measurement("student", "openvino", "int8", "ok", "ok", "skipped")


class Blind(LocalHost):
    """Takes tensors alone."""

    decodes = False


def test_files_and_tensors_are_answered_alike_and_counted(
    tiny_bundle: Path, digit_images: Path
) -> None:
    images = balanced(digit_images, DIGITS, 60)
    proof = prove(tiny_bundle, HERE, images, threads=1)
    blind = prove(tiny_bundle, Blind(), images, threads=1)
    assert proof.predicted == blind.predicted
    assert not proof.fell_out.error
    right = sum(p == image.label for p, image in zip(proof.predicted, images, strict=True))
    row = proof.on(ROW)
    assert (row.top1, row.num_images) == (right / 60, 60)
    assert (row.top1_low, row.top1_high) == stats.wilson(right, 60)
    assert row.max_rel_logit_diff is not None and row.max_rel_logit_diff <= 1e-3


@pytest.mark.parametrize("host", [HERE, Blind()], ids=["files", "tensors"])
def test_an_image_that_cannot_be_read_is_left_out(
    tiny_bundle: Path, digit_images: Path, tmp_path: Path, host: LocalHost
) -> None:
    (tmp_path / "text.png").write_text("no image")
    images = [Image(tmp_path / "text.png", "3"), *balanced(digit_images, DIGITS, 10)]
    proof = prove(tiny_bundle, host, images, threads=1)
    assert proof.predicted[0] == "" and all(proof.predicted[1:])
    assert proof.on(ROW).num_images == 10


def test_without_images_a_row_gets_no_accuracy(tiny_bundle: Path) -> None:
    row = prove(tiny_bundle, HERE).on(ROW)
    assert row.top1 is None and row.num_images is None


def test_a_bundle_that_fails_its_own_verification_falls_out(
    fake_bundle: Callable[..., Path],
) -> None:
    proof = prove(fake_bundle(run="images = 255 - images"), HERE, trust_code=True)
    assert "fails its own verification: logits differ by" in proof.fell_out.error
    assert "is admitted" in proof.fell_out.error
    assert proof.on(ROW).top1 is None
