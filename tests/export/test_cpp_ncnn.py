"""edgecls-infer for ncnn, on a net that is written by hand: one matrix on normalised pixels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls.device import golden, meta

PLACES = ("lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")


@pytest.fixture(scope="session")
def ncnn_build(build_cpp: Callable[..., Path]) -> Path:
    """The folder of edgecls-infer for ncnn, whose wheel has no headers."""
    named = os.environ.get("NCNN_DIR", "")
    known = [
        Path(root) / place / "cmake" / "ncnn" for root in ("/usr", "/usr/local") for place in PLACES
    ]
    found = [each for each in (Path(named), *known) if (each / "ncnnConfig.cmake").is_file()]
    if not found:
        pytest.skip("no development files of ncnn: build it, and name <its folder>/lib/cmake/ncnn "
                    "in NCNN_DIR")  # fmt: skip
    return build_cpp("ncnn-build", {"EDGECLS_BACKEND": "ncnn", "ncnn_DIR": str(found[0])})


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose logits are a matrix times its pixels, normalised and flattened by channel."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (folder / "model.onnx").unlink()
    (folder / golden.ARTIFACT).unlink()
    description = meta.read(str(tiny_bundle))
    how = description.preprocess
    images = golden.inputs(str(folder), description)
    size, random = images[0].size, np.random.default_rng(0)
    weights = random.normal(0, 0.05, (10, size)).astype(np.float32)
    bias = random.normal(size=10).astype(np.float32)
    normalised = (images / 255.0 - np.array(how.mean)) / np.array(how.std)
    logits = normalised.transpose(0, 3, 1, 2).reshape(len(images), -1) @ weights.T + bias
    np.save(folder / golden.SOURCE, logits.astype(np.float32))
    (folder / "model.ncnn.param").write_text(
        "7767517\n3 3\nInput in0 0 1 in0\nFlatten flat 1 1 in0 flat\n"
        f"InnerProduct fc 1 1 flat out0 0=10 1=1 2={weights.size}\n"
    )
    raw = np.zeros(1, np.uint32).tobytes() + weights.tobytes() + bias.tobytes()
    (folder / "model.ncnn.bin").write_bytes(raw)
    meta.write(
        str(folder),
        replace(
            description,
            target="ncnn",
            kit="ncnn",
            model_files=("model.ncnn.param", "model.ncnn.bin"),
            golden=meta.Golden(description.golden.count, 1e-3),
        ),
    )
    return folder


def verified(program: Path, bundle: Path, status: int) -> dict[str, object]:
    done = subprocess.run([program, bundle, "--verify", "--threads", "1"], capture_output=True)
    assert done.returncode == status, done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_it_normalises_and_runs_as_the_source_does(ncnn_build: Path, bundle: Path) -> None:
    found = verified(ncnn_build / "edgecls-infer", bundle, 0)
    assert found["source_max_rel_logit_diff"] <= 1e-4
    assert found["source_top1_agreement"] == 1.0


def test_a_file_that_ncnn_refuses_is_told(ncnn_build: Path, bundle: Path) -> None:
    (bundle / "model.ncnn.param").write_text("no net\n")
    meta.write(str(bundle), meta.read(str(bundle)))
    found = verified(ncnn_build / "edgecls-infer", bundle, 1)
    assert "ncnn cannot load" in str(found["error"])
