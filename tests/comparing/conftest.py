"""Runs with planted figures, written as `edgecls run` writes them; the command on two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from edgecls.cli import main
from edgecls.core import Measurement, write_results
from edgecls.rundir import Budget, RunInfo, add_arrays

LABELS = tuple("abcdefghij")
MACHINE = {"cpu": "Example CPU", "machine": "x86_64", "cores": 2, "runtime": "openvino 2026.2"}
PROTOCOL = {"mode": "short", "scenario": "single-stream", "version": 2, "launches": 5}


@dataclass(frozen=True)
class Planted:
    """A row with its true accuracy and latency. changes: of its `Measurement`.

    noise: standard deviation of a launch's latency, as a share of it.
    """

    target: str = "openvino"
    precision: str = "fp32"
    accuracy: float = 0.95
    ms: float = 1.0
    noise: float = 0.01
    launches: int = 5
    changes: dict[str, Any] = field(default_factory=dict)


def content(numbers: Sequence[int]) -> np.ndarray:
    """The sha256 of images that are told apart by a number."""
    texts = [hashlib.sha256(b"image %d" % number).digest() for number in numbers]
    return np.frombuffer(b"".join(texts), np.uint8).reshape(-1, 32)


def answers(numbers: np.ndarray, accuracy: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """True classes and logits. What is hard is so in every run, but for 1 % of jitter."""
    every = np.random.default_rng(0)
    classes = every.integers(0, len(LABELS), 20_000)[numbers]
    hard = every.random(20_000)[numbers] + 0.01 * rng.normal(size=len(numbers))
    said = np.where(hard < accuracy, classes, (classes + 1) % len(LABELS))
    return classes, np.eye(len(LABELS), dtype=np.float32)[said]


def latencies(row: Planted, rng: np.random.Generator, queries: int = 80) -> dict[str, Any]:
    """Each launch is off by its own share; queries have a long tail."""
    launch = np.repeat(np.arange(row.launches), queries)
    shift = rng.normal(0, row.noise, row.launches)[launch]
    tail = rng.gamma(0.5, 0.06, len(launch))
    number = np.arange(len(launch)) % queries // (queries // 4)
    ms = row.ms * np.exp(shift + rng.normal(0, 0.02, len(launch)) + tail)
    return {"latency_ms": ms, "launch": launch.astype(np.int32), "round": number.astype(np.int32)}


def measured(path: Path, row: Planted, numbers: np.ndarray, seed: int) -> Measurement:
    """The row with its side files, as drawn with that seed."""
    name = f"{row.target} {row.precision}".encode()
    rng = np.random.default_rng([seed, *name])
    classes, logits = answers(numbers, row.accuracy, rng)
    timed = latencies(row, rng)
    predictions = {
        "val_classes": classes[:10],
        "val_logits": logits[:10],
        "test_classes": classes,
        "test_logits": logits,
        "test_images": content(numbers.tolist()),
    }
    whole: dict[str, Any] = {
        "model": "student",
        "target": row.target,
        "precision": row.precision,
        "converted": "ok",
        "compiled": "ok",
        "measured": "ok",
        "top1": float((logits.argmax(1) == classes).mean()),
        "num_images": len(classes),
        "latency_p50_ms": float(np.median(timed["latency_ms"])),
        "size_bytes": 100_000,
        "threads": 1,
        "batch_size": 1,
        "environment": MACHINE,
        "protocol": PROTOCOL,
        "files": {
            "predictions": add_arrays(path, predictions),
            "latencies": add_arrays(path, timed),
        },
    }
    return Measurement(**(whole | row.changes))


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """(name, rows, seed, images, labels) -> the folder. images: a count, or their numbers."""

    def write(
        name: str,
        rows: Sequence[Planted] = (Planted(),),
        seed: int = 0,
        images: int | Sequence[int] = 1_000,
        labels: tuple[str, ...] = LABELS,
    ) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        numbers = np.arange(images) if isinstance(images, int) else np.asarray(images)
        info = RunInfo(
            name=name,
            command="edgecls run",
            created="2026-07-14T09:12:44+00:00",
            version="0.1.0",
            seed=seed,
            reference="student",
            shipped="student",
            labels=labels,
            budget=Budget(),
            data={},
            plan={},
            models=(),
        )
        info.write(path)
        write_results(path / "results.jsonl", [measured(path, row, numbers, seed) for row in rows])
        return path

    return write


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def edgecls_compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command in this process. Any error but SystemExit would have been a traceback."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(["compare", *(str(argument) for argument in arguments)])
        told = capsys.readouterr()
        return Ended(int(caught.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def planted_row() -> type[Planted]:
    return Planted
