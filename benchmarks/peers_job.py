"""The whole job from one folder of images in the same wall time: Ultralytics' classifier, and ours.

Both get the same train, val and test folders; of train every tenth image of a class goes to val.
Ultralytics' net is built from its YAML, for neither side has weights that learned elsewhere; it
trains for MINUTES by its own ``time=`` with its defaults, and is exported by its own command.
`edgecls run` works through a recipe and must end in no more wall time than those commands took.
Ours is the row that the run itself recommends, on validation; theirs is each row that was exported.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import peers_rooms as rooms
import peers_rows as measured

from edgecls.bench.protocol import Protocol
from edgecls.core import Classes, Images, read_results
from edgecls.errors import EdgeclsError
from edgecls.pipeline.events import Silent
from edgecls.pipeline.quantized import Wish, opened
from edgecls.recipe import load, parse, put

RECIPE = Path(__file__).resolve().parent / "recipes" / "whole-job.toml"
HALF, TENTH = 0.5, 10
SUFFIXES = (".jpg", ".jpeg", ".png")
# Row, words of `yolo export`, and what it leaves beside the weights.
EXPORTS = (
    ("onnx fp32", ("format=onnx",), "best.onnx"),
    ("onnx int8", ("format=onnx", "quantize=8"), "best_int8.onnx"),
    ("openvino fp32", ("format=openvino",), "best_openvino_model"),
    ("openvino int8", ("format=openvino", "quantize=8"), "best_int8_openvino_model"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="of ours, for so many minutes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of ours")
    parser.add_argument("--net", default="yolo11n-cls", help="of Ultralytics'")
    parser.add_argument("--size", type=int, default=32, help="side of the images in pixels")


def split(data: Path, out: Path) -> Path:
    """A copy of the images in train, val and test, as both tools take it."""
    folder = out / "images"
    if folder.is_dir():
        return folder
    part = out / "images.part"
    shutil.rmtree(part, ignore_errors=True)
    for kind in ("train", "test"):
        for classes in sorted(path for path in (data / kind).iterdir() if path.is_dir()):
            files = sorted(each for each in classes.iterdir() if each.suffix.lower() in SUFFIXES)
            for number, file in enumerate(files):
                held = kind == "train" and number % TENTH == 0
                to = part / ("val" if held else kind) / classes.name
                to.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to / file.name)
    part.rename(folder)
    return folder


def theirs(asked: argparse.Namespace, images: Path, out: Path) -> Iterator[measured.Row]:
    """Train once, export every row; each row's wall time is of both commands."""
    program = rooms.python(rooms.ULTRALYTICS, asked.out).absolute()
    yolo, size = str(program.with_name("yolo")), f"imgsz={asked.size}"
    words = [f"model={asked.net}.yaml", f"data={images.resolve()}", size, "device=cpu"]
    words += [f"time={asked.job / 60:.6f}", "project={}", "name=train"]
    trained = rooms.timed(
        [yolo, "classify", "train", *words], (out / "yolo").resolve(), out / "log"
    )
    print(f"Ultralytics trained in {trained.seconds:.0f} s", flush=True)
    best = next(trained.folder.rglob("best.pt"))
    for name, export, left in EXPORTS:
        folder = (out / f"yolo-{name.replace(' ', '-')}").resolve()
        words = ["model=best.pt", size, "device=cpu", f"data={images.resolve()}", *export]
        done = rooms.timed([yolo, "export", *words], folder, out / "log", {"best.pt": best})
        made = folder / left
        file = made if made.is_file() else next(made.glob("*.xml"))
        constants = measured.write_constants(
            folder / "constants.json", (asked.size, asked.size), (0, 0, 0), (1, 1, 1)
        )
        wall = trained.seconds + done.seconds
        yield measured.their_row(f"{asked.net} {name}", program, file, constants, [wall])


def ours(asked: argparse.Namespace, images: Path, out: Path) -> tuple[measured.Row, Path]:
    """The row that the run recommends, and the folder of the checkpoint that it ships."""
    command = [sys.executable, "-m", "edgecls", "run", str(asked.recipe.resolve())]
    command += ["--data", str(images.resolve()), "--out", "{}/run"]
    command += [word for setting in asked.set for word in ("--set", setting)]
    done = rooms.timed(command, (out / "edgecls").resolve(), out / "log")
    print(f"edgecls run took {done.seconds:.0f} s", flush=True)
    run = done.folder / "run"
    best = next((row for row in read_results(run / "results.jsonl") if row.recommended), None)
    if best is None or best.bundle_sha256 is None:
        raise EdgeclsError("the run recommends no bundle", f"see {run / 'report.md'}")
    bundle = run / "bundles" / f"{best.target}-{best.precision}"
    name = f"edgecls {best.target} {best.precision}"
    return measured.our_row(name, bundle.resolve(), [done.seconds]), run / "models" / best.model


def tested(asked: argparse.Namespace, checkpoint: Path, images: Path) -> tuple[Images, Classes]:
    """The test images at the input's size, which is theirs too, and their classes by name."""
    tables = load(asked.recipe, asked.set)
    put(tables, "data.path", str(images))
    wish = Wish(checkpoint, "onnxruntime")
    *_, dataset = opened(wish, parse(tables), asked.out / ".store", Silent())
    if (
        list(dataset.labels) != sorted(dataset.labels)
        or dataset.preprocess.size != (asked.size,) * 2
    ):
        raise EdgeclsError("the two tools would not answer the same question", "check --size")
    return dataset["test"]


def job(asked: argparse.Namespace, protocol: Protocol) -> dict[str, Any]:
    """Both jobs, one after the other, then all rows in one measurement."""
    out = asked.out / f"job-{asked.job:g}"
    out.mkdir(parents=True, exist_ok=True)
    images = split(asked.data, out)
    others = list(theirs(asked, images, out))
    row, checkpoint = ours(asked, images, out)
    test, classes = tested(asked, checkpoint, images)
    found = measured.seen([*others, row], test, protocol, asked.threads)
    return {
        "minutes": asked.job,
        "net": asked.net,
        "recipe": asked.recipe.name,
        "rows": [each.to_json(classes) for each in found],
        "protocol": protocol.to_json(),
        "claim": claim(found, classes),
    }


def claim(found: list[measured.Seen], classes: Classes) -> dict[str, Any]:
    """Against their best accuracy, p50 and wall time, whichever of their rows have them."""
    peers = [each for each in found if not each.row.is_ours]
    mine = next(each for each in found if each.row.is_ours)
    accurate = max(peers, key=lambda each: each.hits(classes).mean())
    told = measured.verdict([accurate, mine], classes, HALF, 1.0)
    ratio = mine.p50_ms / min(each.p50_ms for each in peers)
    wall = median(mine.row.wall_s) / min(median(each.row.wall_s) for each in peers)
    better = told["top1_difference_low"] > 0
    return {
        **told,
        "p50_ratio": round(ratio, 3),
        "wall_ratio": round(wall, 3),
        "holds": better and ratio <= HALF and wall <= 1,
    }
