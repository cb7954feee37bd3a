"""One whole run on the tiny digits, made once: two nets, two targets, all in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgecls.core import Progress, SilentProgress
from edgecls.pipeline.run import Finished, run
from edgecls.recipe import Recipe, parse

BENCH = {"launches": 1, "rounds": 1, "queries": 10, "seconds": 0}
DAMAGED = "3/damaged & <strange>.png"


@dataclass
class Told:
    """What a run said. stages: those that were at work."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def plan(self, lines: Sequence[str]) -> None:
        self.lines += lines

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        self.stages.append(name)
        yield SilentProgress()


@dataclass(frozen=True)
class Job:
    """A run that was made. root: the folder that holds it and its store."""

    root: Path
    recipe: Recipe
    told: Told
    result: Finished


@pytest.fixture(scope="session")
def images(digit_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits with one file that is no image."""
    root = tmp_path_factory.mktemp("images") / "digits"
    shutil.copytree(digit_images, root)
    (root / DAMAGED).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return root


@pytest.fixture(scope="session")
def recipe(images: Path) -> Callable[..., Recipe]:
    """A recipe of tiny trainings; `changes` are top-level tables."""

    def make(**changes: Any) -> Recipe:
        fit = {"epochs": 2, "batch_size": 16}
        models = {
            "teacher": {"method": "train", "arch": "lenet5", **fit},
            "student": {
                "method": "prune",
                "model": "teacher",
                "macs_ratio": 1.2,
                "round_to": 2,
                **fit,
            },
        }
        tables = {
            "name": "tiny",
            "threads": 1,
            "data": {"path": str(images), "calibration": 20},
            "models": models,
            "export": {"targets": ["torch", "onnxruntime"]},
            "bench": BENCH,
        }
        return parse({**tables, **changes})

    return make


@pytest.fixture(scope="session")
def only_teacher(recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe of which the finished run's store has all but what `changes` ask for."""

    def make(**changes: Any) -> Recipe:
        models = {"teacher": recipe().models["teacher"]}
        export = {"targets": ["onnxruntime"], "precisions": ["fp32"]}
        return recipe(**{"models": models, "export": export, **changes})

    return make


@pytest.fixture(scope="session")
def finished(recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A finished run; treat its folder as read-only, and put others beside it."""
    root = tmp_path_factory.mktemp("runs")
    told = Told()
    result = run(recipe(), root / "tiny", "edgecls run", told)
    return Job(root, recipe(), told, result)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def beside(finished: Job, request: pytest.FixtureRequest) -> Path:
    """A new folder that shares the finished run's store."""
    return finished.root / request.node.name.replace("/", "-")
