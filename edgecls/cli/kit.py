"""``edgecls kit``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="A new folder [default: NAME].")
def kit(name: str, out: Path | None) -> None:
    """Write out the sources that run a bundle in C++, Kotlin or Swift.

    NAME: cpp (a native edgecls-infer: ONNX Runtime, OpenVINO, ncnn or TensorRT), kotlin (Android:
    LiteRT, ExecuTorch or ONNX Runtime) or swift (Core ML). README.md there says how to build them.
    """
    from edgecls.errors import UsageError
    from edgecls.kits import source_files
    from edgecls.pipeline import places

    files = source_files(name)
    folder = out or Path(name)
    places.writable(folder)
    if folder.exists():
        raise UsageError(f"{folder} exists already", "choose another folder with --out")

    def write(new: Path) -> None:
        for relative, path in files.items():
            (new / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, new / relative)

    places.place(folder, write)
    click.echo(f"{len(files)} files in {folder}; read {folder / 'README.md'}")
