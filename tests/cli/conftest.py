"""The command line in this process: its exit status and what it printed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from edgecls.cli import main
from edgecls.graph import CheckpointSource


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Edgecls = Callable[..., Ended]


@pytest.fixture
def edgecls(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> Edgecls:
    """Run a command in an empty folder. Any error but SystemExit would have been a traceback."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(caught.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def quick_export(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canonical graph of `tiny_checkpoint` is exported once; the parity check stays."""
    graph = CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx").onnx()
    monkeypatch.setattr(
        "edgecls.graph.export", lambda net, preprocess, path: shutil.copyfile(graph, path)
    )
