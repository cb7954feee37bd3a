"""The reference: PyTorch eager on this host, measured by the same harness as every other row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from edgecls import hardware
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError


class Torch:
    name = "torch"
    title = "PyTorch eager (reference on this host)"
    version = 2
    precisions: tuple[Precision, ...] = ("fp32",)
    kit = "torch"
    requirements = ("edgecls",)
    packages = ("torch", "torchvision")
    host_only = True
    quantizing = None
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ()

    def availability(self) -> Availability:
        missing = Outcome("skipped", "torch is not installed", "pip install edgecls")
        state = DONE if hardware.package_version("torch") else missing
        return Availability(convert=state, compile=state, run=state)

    def scheme(self, machine: Hardware) -> Scheme:
        raise ConversionError("the PyTorch reference has no int8", "choose another target")

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        names = ("model.safetensors", "checkpoint.json")
        for name in names:
            shutil.copyfile(source.checkpoint / name, out / name)
        json.loads((out / "checkpoint.json").read_text(encoding="utf-8"))
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=names,
            compiled=DONE,
            size_files=("model.safetensors",),
            versions=hardware.versions(self.packages),
        )

    def snippet(self, model_file: str) -> str:
        return 'net = edgecls.models.checkpoint.module(edgecls.models.checkpoint.load("."))'


TARGET = Torch()
