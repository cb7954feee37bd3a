"""A bundle: whole, self-describing, the same twice, and refused where its conversion is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecls import bundle as bundles
from edgecls import hardware, kits, targets
from edgecls.core import Artifact, Logits, Request
from edgecls.device import golden, meta
from edgecls.errors import ConversionError, RunnerError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints


@pytest.fixture
def contents(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> bundles.Contents:
    """What `tiny_bundle` was made of, to make it again."""
    (tmp_path / "converted").mkdir()
    shutil.copyfile(tiny_bundle / "model.onnx", tmp_path / "converted" / "model.onnx")
    found = meta.read(str(tiny_bundle))
    target = targets.get("onnxruntime")
    artifact = Artifact(
        target=target.name,
        precision="fp32",
        folder=tmp_path / "converted",
        files=found.model_files,
        compiled=target.availability().compile,
        versions={k: v for k, v in found.versions.items() if k != "edgecls"},
    )
    source = CheckpointSource(tiny_checkpoint, tmp_path / "graph.onnx")
    checkpoint = checkpoints.load(tiny_checkpoint)
    return bundles.Contents("tiny", artifact, target, checkpoint, source, hardware.here())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_it_carries_its_kit_the_harness_and_its_proof(tiny_bundle: Path) -> None:
    for name, path in kits.kit_files("onnxruntime").items():
        assert (tiny_bundle / name).read_bytes() == path.read_bytes()
    description = meta.read(str(tiny_bundle))
    tensors = golden.inputs(str(tiny_bundle), description)
    for path, tensor in zip(
        golden.image_paths(str(tiny_bundle), description), tensors, strict=True
    ):
        assert np.array_equal(description.preprocess.load(path), tensor)
    assert len(tensors) == description.golden.count == 8
    for name in (golden.SOURCE, golden.ARTIFACT):
        logits = golden.load_array(str(tiny_bundle / name))
        assert logits.shape == (8, 10)
        assert logits.dtype == np.float32


def test_it_describes_itself(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    found, checkpoint = meta.read(str(tiny_bundle)), checkpoints.load(tiny_checkpoint)
    assert (found.model, found.target, found.precision) == ("tiny", "onnxruntime", "fp32")
    assert (found.labels, found.preprocess) == (checkpoint.labels, checkpoint.preprocess)
    assert found.input_shape == (1, 32, 32, 1)
    assert found.hardware["name"] == hardware.here().name
    assert found.provenance["weights_sha256"] == checkpoint.weights_sha256
    assert {"edgecls", "onnxruntime"} <= set(found.versions)
    assert found.reference["num_images"] == 30
    confidence = found.reference["confidence"]
    assert 0 <= confidence["p5"] <= confidence["p50"] <= confidence["p95"] <= 1
    assert found.run.startswith("python3 infer.py")


def test_its_card_and_requirements_are_for_people(tiny_bundle: Path) -> None:
    card = (tiny_bundle / "README.md").read_text(encoding="utf-8")
    for part in ("# tiny", "resnet8", "uint8[1, 32, 32, 1]", "infer.py --verify", "InferenceSess"):
        assert part in card
    size = (tiny_bundle / "model.onnx").stat().st_size
    assert f"{size:,} bytes in model.onnx" in card
    lines = (tiny_bundle / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["numpy>=1.19", "pillow>=9.2", *targets.get("onnxruntime").requirements]


def test_it_names_no_folder_of_this_machine(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    places = {str(Path.home()), str(tiny_bundle.parent), str(tiny_checkpoint), str(kits.PACKAGE)}
    for path in tiny_bundle.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [place for place in places if place.encode() in data], path.name


def test_made_again_it_is_the_same(
    contents: bundles.Contents, out: Path, tiny_bundle: Path
) -> None:
    bundles.make(contents, out, runs_here=True)
    assert meta.bundle_sha256(str(out)) == meta.bundle_sha256(str(tiny_bundle))


def test_one_that_cannot_run_here_has_only_the_sources_reference(
    contents: bundles.Contents, out: Path
) -> None:
    bundles.make(contents, out, runs_here=False)
    found = meta.read(str(out))
    assert found.golden.artifact is None
    assert golden.ARTIFACT not in found.files
    assert meta.check(str(out), found) == []
    assert np.allclose(
        bundles.run_golden(out), golden.load_array(str(out / golden.SOURCE)), atol=1e-4
    )


def change_weights(path: Path, change: Callable[[Logits], Logits]) -> None:
    """Change the last bias of a graph."""
    model = onnx.load(path)
    bias = next(w for w in model.graph.initializer if list(w.dims) == [10])
    bias.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(bias)), bias.name))
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("change", "by"),
    [(lambda bias: bias + np.float32(1), "more than 0.001"), (lambda bias: bias * np.nan, "inf")],
)
def test_a_conversion_whose_logits_are_wrong_is_no_bundle(
    contents: bundles.Contents, out: Path, change: Callable[[Logits], Logits], by: str
) -> None:
    change_weights(contents.artifact.folder / "model.onnx", change)
    with pytest.raises(ConversionError, match=f"onnxruntime fp32: logits .* {by}"):
        bundles.make(contents, out, runs_here=True)


def test_a_model_that_its_runtime_refuses_is_no_bundle(
    contents: bundles.Contents, out: Path
) -> None:
    (contents.artifact.folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(RunnerError, match=r"model\.onnx"):
        bundles.make(contents, out, runs_here=True)


def test_a_checkpoint_without_golden_images_is_refused(
    contents: bundles.Contents, out: Path, tmp_path: Path
) -> None:
    bare = shutil.copytree(contents.checkpoint.folder, tmp_path / "bare")
    shutil.rmtree(bare / "samples" / "golden")
    with pytest.raises(ConversionError, match="bare has no golden samples"):
        bundles.make(replace(contents, checkpoint=checkpoints.load(bare)), out, runs_here=True)


def test_a_kit_loops_over_images_where_its_graph_takes_another_batch(
    contents: bundles.Contents, out: Path, tmp_path: Path
) -> None:
    dynamic = tmp_path / "dynamic"
    dynamic.mkdir()
    shutil.copyfile(contents.source.onnx(), dynamic / "model.onnx")
    bundles.make(replace(contents, artifact=replace(contents.artifact, folder=dynamic)), out, True)
    assert golden.ARTIFACT in meta.read(str(out)).files


def test_an_int8_bundle_says_its_scheme_and_holds_its_own_tolerances(
    package_bundle: Callable[[str, str], Path],
) -> None:
    found = meta.read(str(package_bundle("onnxruntime", "int8")))
    assert found.scheme is not None
    assert found.scheme["name"] == targets.get("onnxruntime").scheme(hardware.here()).name
    assert found.golden == meta.Golden(8, 2.0, 0.5)
    assert Request("int8", hardware.here()).batch == found.input_shape[0]
