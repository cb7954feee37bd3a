"""A conversion, its kit, the harness and golden samples: a folder that proves itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecls import __version__
from edgecls.core import Artifact, Hardware, Images, Logits, Source, Target
from edgecls.device import golden, meta
from edgecls.device.measure import probabilities
from edgecls.errors import ConversionError
from edgecls.graph import TRAINED_TOLERANCE
from edgecls.hardware import plainly
from edgecls.kits import kit_files
from edgecls.models.checkpoint import Checkpoint
from edgecls.rundir import write_text
from edgecls.runner import Runner

# Of the source's logits on the golden images, over their standard deviation. fp32 differs by the
# order of summation, fp16 by its 11 bits, bf16 by its 8; int8 beyond two deviations is no
# conversion any more.
SOURCE_TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2, "bf16": 0.4, "int8": 2.0}
SOURCE_TOLERANCE |= {"int8-dynamic": 2.0, "int8-weights": 2.0}
# Of the same artifact on another machine: other kernels, other instruction sets.
ARTIFACT_TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2, "bf16": 0.4, "int8": 0.5}
ARTIFACT_TOLERANCE |= {"int8-dynamic": 0.5, "int8-weights": 5e-2}

# What every bundle requires. Pillow 9.2 and newer decode an image to the same bits; 8 differs in
# JPEG, 9.1 fails on TIFF.
COMMON = ("numpy>=1.19", "pillow>=9.2")


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle. model: its name in the run."""

    model: str
    artifact: Artifact
    target: Target
    checkpoint: Checkpoint
    source: Source
    hardware: Hardware


def make(contents: Contents, out: Path, runs_here: bool) -> None:
    """Write a bundle into the empty folder `out`.

    runs_here: whether this machine can run it; then it is run on its golden images, their logits
    become its second reference, and a bundle that fails its own check raises ConversionError.
    """
    for name in contents.artifact.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(contents.artifact.folder / name, out / name)
    for name, path in kit_files(contents.target.kit).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / name)
    reference = _write_golden(contents, out)
    write_text(out / "requirements.txt", _requirements(contents.target))
    write_text(out / "README.md", _card(contents))
    description = _describe(contents, len(reference))
    meta.write(str(out), description)
    if not runs_here:
        return
    logits = run_golden(out)
    _gate(contents, logits, reference)
    np.save(out / golden.ARTIFACT, logits, allow_pickle=False)
    proven = meta.Golden(len(reference), source_tolerance(contents), artifact_tolerance(contents))
    meta.write(str(out), meta.Meta(**{**vars(description), "golden": proven}))


def run_golden(bundle: Path) -> Logits:
    """A bundle's logits on its golden tensors, by its own runner."""
    with tempfile.TemporaryDirectory() as scratch, Runner(bundle, threads=1) as runner:
        answer = Path(scratch) / "logits.npy"
        runner.ask(
            {"do": "infer", "input": str((bundle / golden.INPUTS).resolve()), "output": str(answer)}
        )
        logits: Logits = golden.load_array(str(answer))
    return logits


def source_tolerance(contents: Contents) -> float:
    """How far the artifact's logits may be from the source's.

    A net that was trained for int8 is to answer as it was trained to, but for values that lie
    between two integers: so does PyTorch itself with another size of the batch.
    """
    if contents.checkpoint.is_quantized:
        return TRAINED_TOLERANCE
    return SOURCE_TOLERANCE[contents.artifact.precision]


def artifact_tolerance(contents: Contents) -> float:
    """How far the same artifact's logits may be on another machine."""
    return ARTIFACT_TOLERANCE[
        "int8" if contents.checkpoint.is_quantized else contents.artifact.precision
    ]


def _gate(contents: Contents, logits: Logits, reference: Logits) -> None:
    artifact = contents.artifact
    difference = golden.max_relative_difference(logits, reference)
    tolerance = source_tolerance(contents)
    if not difference <= tolerance:
        raise ConversionError(
            f"{artifact.target} {artifact.precision}: logits on the golden images differ from "
            f"PyTorch's by {difference:.3g} of their standard deviation, more than {tolerance:g}",
            "export another precision, or report this net and target",
        )


def _write_golden(contents: Contents, out: Path) -> Logits:
    """Write golden/ and return the source's logits."""
    encoded = contents.checkpoint.golden()
    if not encoded:
        raise ConversionError(f"{contents.checkpoint.folder} has no golden samples")
    preprocess = contents.checkpoint.preprocess
    tensors: Images = np.stack([preprocess.load(data) for data in encoded])
    logits = contents.source.logits(tensors)
    (out / golden.FOLDER).mkdir()
    for index, data in enumerate(encoded):
        (out / golden.FOLDER / f"{index:03d}.png").write_bytes(data)
    np.save(out / golden.INPUTS, tensors, allow_pickle=False)
    np.save(out / golden.SOURCE, logits, allow_pickle=False)
    return logits


def _describe(contents: Contents, golden_count: int) -> meta.Meta:
    artifact, checkpoint = contents.artifact, contents.checkpoint
    return meta.Meta(
        model=contents.model,
        target=artifact.target,
        precision=artifact.precision,
        scheme=artifact.scheme.to_json() if artifact.scheme else None,
        hardware=contents.hardware.to_json(),
        input_shape=checkpoint.preprocess.input_shape,
        labels=checkpoint.labels,
        preprocess=checkpoint.preprocess,
        postprocess=meta.Postprocess(temperature=checkpoint.temperature),
        golden=meta.Golden(golden_count, source_tolerance(contents)),
        model_files=artifact.files,
        kit=contents.target.kit,
        versions={"edgecls": __version__, **artifact.versions},
        run="python3 infer.py --verify",
        reference=_reference_statistics(contents),
        provenance={**checkpoint.provenance, "weights_sha256": checkpoint.weights_sha256},
        details=dict(artifact.details),
    )


def _reference_statistics(contents: Contents) -> dict[str, Any]:
    """What images like the training ones look like: a monitor on the device compares with it."""
    images = contents.checkpoint.calibration()
    logits = contents.source.logits(images)
    confidence = probabilities(logits, contents.checkpoint.temperature).max(axis=1)
    brightness = images.reshape(len(images), -1).mean(axis=1)
    return {
        "num_images": len(images),
        "confidence": _five_numbers(confidence),
        "brightness": _five_numbers(brightness),
    }


def _five_numbers(values: np.ndarray[Any, Any]) -> dict[str, float]:
    percents: Sequence[int] = (5, 25, 50, 75, 95)
    return {f"p{p}": round(float(np.percentile(values, p)), 4) for p in percents}


def _requirements(target: Target) -> str:
    """For the device's pip; wide ranges, because its Python may be as old as 3.8."""
    return "\n".join([*COMMON, *target.requirements]) + "\n"


def _card(contents: Contents) -> str:
    """The model card: what it is, how good it was on validation, how to run it."""
    checkpoint, artifact = contents.checkpoint, contents.artifact
    validation = checkpoint.metrics["validation"]
    height, width = checkpoint.preprocess.size
    scheme = f", scheme `{artifact.scheme.name}`" if artifact.scheme else ""
    why = f" ({artifact.scheme.reason})" if artifact.scheme else ""
    batch = {"dynamic": "N"}.get(str(given := artifact.details.get("batch", 1)), given)
    return f"""# {contents.model}: {contents.target.title}, {artifact.precision}

An image classifier for {len(checkpoint.labels)} classes ({_few(checkpoint.labels)}), packaged by
edgecls {__version__}.

| | |
|---|---|
| net | {checkpoint.arch}, {checkpoint.num_params:,} parameters, {checkpoint.macs:,} MACs |
| made for | {plainly(contents.hardware)} |
| input | uint8[{batch}, {height}, {width}, {checkpoint.preprocess.channels}], \
{checkpoint.preprocess.mode}; normalisation is inside the model |
| precision | {artifact.precision}{scheme}{why} |
| size | {artifact.size_bytes:,} bytes in {", ".join(artifact.files)} |
| source model's validation top-1 | {validation["top1"]:.2%} \
({validation["top1_low"]:.2%} to {validation["top1_high"]:.2%}, {validation["num_images"]} images) |

## Use
```
python3 -m pip install -r requirements.txt
python3 infer.py --verify          # files, preprocessing and logits are what they were
python3 infer.py IMAGE…            # classify
python3 infer.py --eval DIR        # accuracy on a folder with one folder a class
python3 infer.py --bench           # latency on this device
```
The last line on stdout is one JSON object; the exit status is 0 if it holds.

In your own program, with `pixels` made as `meta.json`'s `preprocess` says:
```python
{contents.target.snippet(artifact.files[0])}
```
"""


def _few(labels: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(labels[:most])
    return shown + (", …" if len(labels) > most else "")
