"""A plausible run folder, made from code: two models, five targets, some rows without figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.core import Measurement, write_results
from edgecls.device.stats import mcnemar, wilson
from edgecls.rundir import Budget, ModelInfo, RunInfo, StageInfo, add_arrays, add_file

IMAGES = 360
HOSTILE = '<script>alert("x")</script>|`a`\u202e\x07.png'
# model, target, precision, scheme, p50, size, wrong on validation, wrong on test
MEASURED = (
    ("teacher", "torch", "fp32", None, 2.91, 1_213_000, 5, 6),
    ("teacher", "onnxruntime", "fp32", None, 0.702, 1_121_000, 5, 6),
    ("teacher", "onnxruntime", "int8", "u8s8-pc-rr", 0.455, 331_000, 6, 6),
    ("teacher", "openvino", "fp32", None, 0.768, 1_134_000, 5, 6),
    ("teacher", "openvino", "int8", "u8s8-pc", 0.391, 352_000, 6, 7),
    ("student", "torch", "fp32", None, 1.37, 341_000, 7, 9),
    ("student", "onnxruntime", "fp32", None, 0.183, 318_000, 7, 9),
    ("student", "onnxruntime", "int8", "u8s8-pc-rr", 0.1182, 98_700, 8, 9),
    ("student", "openvino", "fp32", None, 0.207, 326_000, 7, 9),
    ("student", "openvino", "int8", "u8s8-pc", 0.0974, 117_000, 8, 10),
)
FIX = 'pip install "edgecls[tensorrt-rtx]" on a machine with an NVIDIA GPU, then: edgecls bench'


@dataclass(frozen=True)
class Made:
    """A run folder with what was written into it."""

    path: Path
    info: RunInfo
    rows: list[Measurement] = field(default_factory=list)


def row(**changes: Any) -> Measurement:
    """A measured row with the figures that a test does not care about."""
    whole: dict[str, Any] = {
        "model": "student",
        "target": "openvino",
        "precision": "fp32",
        "converted": "ok",
        "compiled": "ok",
        "measured": "ok",
        "val_top1": 0.97,
        "val_top1_low": 0.95,
        "val_top1_high": 0.98,
        "latency_p50_ms": 1.0,
        "latency_p90_ms": 1.1,
        "size_bytes": 100_000,
    }
    return Measurement(**(whole | changes))


def info(**changes: Any) -> RunInfo:
    """A run about teacher and student."""
    whole: dict[str, Any] = {
        "name": "demo",
        "command": "edgecls run --data my_images/ --target openvino,onnxruntime --seed 7",
        "created": "2026-07-14T09:12:44+00:00",
        "version": "0.1.0",
        "seed": 7,
        "reference": "teacher",
        "shipped": "student",
        "labels": tuple(str(i) for i in range(10)),
        "budget": Budget(),
        "data": {},
        "plan": {},
        "models": (
            ModelInfo("teacher", "resnet20", "train", (), {}, 272_000, 41_000_000, 1_098_000, {}),
        ),
    }
    return RunInfo(**(whole | changes))


def _logits(rng: np.random.Generator, classes: Any, num_classes: int, wrong: int) -> Any:
    """Logits that are wrong on so many images, mostly for a neighbouring class."""
    logits = rng.normal(0, 1, (len(classes), num_classes)).astype(np.float32)
    said = classes.copy()
    # The hard images come first, so that rows are wrong on much the same ones.
    said[:wrong] = (classes[:wrong] + rng.choice([1, 1, 2], wrong)) % num_classes
    logits[np.arange(len(classes)), said] += 12
    return logits


def _measured(path: Path, spec: tuple[Any, ...], num_classes: int, images: int) -> Measurement:
    model, target, precision, scheme, p50, size, val_wrong, test_wrong = spec
    rng = np.random.default_rng([images, num_classes, val_wrong, test_wrong])
    classes = np.random.default_rng(3).integers(0, num_classes, images)
    val, test = (_logits(rng, classes, num_classes, n) for n in (val_wrong, test_wrong))
    files = {
        "predictions": add_arrays(
            path,
            {
                "val_classes": classes,
                "val_logits": val,
                "test_classes": classes,
                "test_logits": test,
            },
        )
    }
    val_right = int((val.argmax(1) == classes).sum())
    right = int((test.argmax(1) == classes).sum())
    (val_low, val_high), (low, high) = wilson(val_right, images), wilson(right, images)
    reference = model == "teacher" and target == "torch"
    return Measurement(
        model,
        target,
        precision,
        "ok",
        "ok",
        "ok",
        scheme=scheme,
        val_top1=val_right / images,
        val_top1_low=val_low,
        val_top1_high=val_high,
        top1=right / images,
        top1_low=low,
        top1_high=high,
        num_images=images,
        latency_p50_ms=p50,
        latency_p90_ms=p50 * 1.06,
        latency_p99_ms=p50 * 1.31,
        latency_p90_ms_bound=p50 * 1.09,
        latency_p99_ms_bound=p50 * 1.52,
        end_to_end_p50_ms=p50 + 0.118,
        preprocess_p50_ms=0.112,
        num_queries=2400,
        first_inference_ms=p50 * 3.4,
        load_ms=41.0 + 90 * p50,
        throughput_per_s=990 / p50,
        size_bytes=size,
        rss_bytes=int(9.1e7 + 60 * size),
        threads=1,
        batch_size=1,
        max_rel_logit_diff=2.1e-6 if precision == "fp32" else 0.084,
        top1_agreement=1.0 if precision == "fp32" else 0.9972,
        p_value=None if reference else min(1.0, mcnemar(test_wrong - 5, 1)),
        macs=41_000_000 if model == "teacher" else 12_500_000,
        num_params=272_000 if model == "teacher" else 78_000,
        bundle=f"bundles/{target}-{precision}-{model}",
        bundle_sha256="4f" * 32,
        environment={
            "machine": "x86_64",
            "cpu": "Example CPU @ 2.60GHz",
            "governor": "performance",
            "versions": {"python": "3.11.7", target: "2.14.1" if target == "torch" else "1.24.0"},
        },
        protocol={"seconds": 2.0, "queries": 662, "rounds": 5, "launches": 3, "warmup": 66},
        files=files,
    )


def _unmeasured() -> list[Measurement]:
    rows = []
    for target in ("tensorrt", "tensorrt-rtx"):
        for precision in ("fp16", "int8"):
            rows.append(
                Measurement(
                    "student",
                    target,
                    precision,
                    "ok",
                    "ok" if target == "tensorrt-rtx" else "skipped",
                    "skipped",
                    scheme="s8s8-pc" if precision == "int8" else None,
                    reason="this machine has no NVIDIA GPU",
                    fix=FIX,
                    size_bytes=241_000,
                )
            )
    rows.append(
        Measurement(
            "teacher",
            "tensorrt",
            "int8",
            "failed",
            "skipped",
            "skipped",
            reason="parity: logits differ by 0.61 σ, 0.25 allowed",
            fix="edgecls quantize runs/demo/models/teacher --target tensorrt",
        )
    )
    return rows


def _epochs(count: int, best: float) -> bytes:
    rng = np.random.default_rng(count)
    epochs = [
        {
            "epoch": i + 1,
            "lr": 0.1 * (1 - i / count),
            "seconds": 2.1,
            "train_loss": 2.1 * np.exp(-i / 6) + 0.05,
            "val_loss": 1.9 * np.exp(-i / 7) + 0.12 + 0.02 * rng.random(),
            "val_top1": best - 0.75 * np.exp(-i / 4) - 0.006 * rng.random(),
        }
        for i in range(count)
    ]
    return json.dumps({"epochs": epochs}).encode()


def _models(path: Path) -> tuple[ModelInfo, ...]:
    return (
        ModelInfo(
            "teacher",
            "resnet20",
            "train",
            (),
            {"epochs": 40, "lr": 0.1, "augment": True},
            272_000,
            41_000_000,
            1_098_000,
            {"val_top1": 0.9861},
            curves=add_file(path, _epochs(40, 0.99), "json"),
        ),
        ModelInfo(
            "student",
            "resnet8",
            "distill",
            ("teacher",),
            {"epochs": 60, "temperature": 4.0, "alpha": 0.9},
            78_000,
            12_500_000,
            316_000,
            {"val_top1": 0.9806},
            edits=(
                {
                    "kind": "prune",
                    "version": 1,
                    "ratio": 0.3,
                    "round_to": 8,
                    "history": [["layer1.conv1", False, list(range(12))]],
                },
            ),
            curves=add_file(path, _epochs(60, 0.984), "json"),
        ),
    )


def _data(labels: Sequence[str], hostile: bool) -> dict[str, Any]:
    counts = {"train": 97, "calibration": 10, "validation": 36, "test": 36}
    return {
        "source": "my_images/",
        "splits": {
            name: {label: count + i % 5 for i, label in enumerate(labels)}
            for name, count in counts.items()
        },
        "skipped": [
            {
                "file": HOSTILE if hostile else "3/IMG_0412.jpg",
                "reason": "truncated: the JPEG has no end marker",
            },
            {
                "file": "7/notes.txt",
                "reason": "not an image, or of a format that Pillow does not read",
            },
            {"file": "9/empty.png", "reason": "empty file"},
        ],
        "duplicates": [{"file": "1/a (copy).png", "same_as": "1/a.png"}],
        "notes": ["Class 8 has 20 % fewer images than the mean: it was not oversampled."],
    }


PLAN = {
    "reasons": [
        "The images are 8 × 8 pixels: a ResNet for small images fits, not one made for 224 × 224.",
        "A student of 78 k parameters is distilled from the teacher, because 12.5 MMACs take about"
        " 0.3 ms in fp32 on one core of this machine.",
        "OpenVINO and ONNX Runtime run here; TensorRT is converted and not measured.",
    ],
    "minutes": 6.5,
}
STAGES = (
    StageInfo("data", 1.2, True),
    StageInfo("train teacher", 94.0, False),
    StageInfo("distill student", 141.5, False),
    StageInfo("convert", 38.2, False),
    StageInfo("measure", 122.9, False),
    StageInfo("report", 0.6, False),
)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Made]:
    """make_run(name, labels, specs, hostile, images, **changes of the RunInfo) -> Made."""

    def make(
        name: str = "demo",
        labels: Sequence[str] = tuple(str(i) for i in range(10)),
        specs: Sequence[tuple[Any, ...]] = MEASURED,
        hostile: bool = False,
        images: int = IMAGES,
        **changes: Any,
    ) -> Made:
        path = tmp_path / name.replace("/", "_")
        path.mkdir()
        rows = [_measured(path, spec, len(labels), images) for spec in specs] + _unmeasured()
        about = info(
            **(
                {
                    "name": name,
                    "labels": tuple(labels),
                    "budget": Budget(0.01, 2.0, 2_000_000),
                    "data": _data(labels, hostile),
                    "plan": PLAN,
                    "models": _models(path),
                    "stages": STAGES,
                    "environment": {
                        "machine": "x86_64",
                        "cores": 2,
                        "features": ["avx2", "fma"],
                        "python": "3.11.7",
                        "system": "Linux",
                    },
                }
                | changes
            )
        )
        about.write(path)
        write_results(path / "results.jsonl", rows)
        return Made(path, about, rows)

    return make


@pytest.fixture
def make_row() -> Callable[..., Measurement]:
    return row


@pytest.fixture
def make_info() -> Callable[..., RunInfo]:
    return info
