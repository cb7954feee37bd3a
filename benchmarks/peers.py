"""edgecls beside its peers: each in an environment of its own, caches cold, measured in one run.

*Conversion only*: from the same trained checkpoint to int8. Microsoft Olive (two passes at their
defaults), NNCF and OpenVINO by hand (default preset), ONNX Runtime's own quantizer (defaults), and
`edgecls export --precision int8` for ONNX Runtime and OpenVINO. The peers get the net as a PyTorch
module and the same calibration images. Wall time is of the whole command, from a cold process to
its end, so exporting from PyTorch counts for all; the median of `--repeats`, in turns.

*The whole job*, `--job MINUTES --data CIFAR`: from the same folder of images in the same wall time.
Ultralytics' classifier, trained and exported by its own commands, and `edgecls run` (`peers_job`).

A query is one uint8[H, W, C] image in memory to its logits: our graphs normalise inside, a peer's
user does it in numpy, as its documentation does (``bare_p50_ms``: without that). The claims:

- our quickest int8 row: p50 at most 0.95 of the quickest peer's, accuracy not significantly less
  on the same test images, wall time at most the peer's;
- with `--smaller NAME=CHECKPOINT`, pruned or distilled: p50 at most 0.5 of the quickest peer's, at
  an accuracy not below;
- the whole job: a better accuracy in no more wall time, p50 at most 0.5 of its best row.

    python benchmarks/peers.py --out FOLDER [--smaller NAME=CHECKPOINT] NAME=CHECKPOINT=DATA …
    python benchmarks/peers.py --out FOLDER --data CIFAR --job MINUTES

What stands in FOLDER is used again; the rooms take some GB each. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers_job
import peers_rooms as rooms
import peers_rows as measured

from edgecls import hardware
from edgecls.bench.protocol import Protocol
from edgecls.core import Classes, Images
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline.events import Silent
from edgecls.pipeline.quantized import Wish, opened
from edgecls.recipe import load, parse, put

CONVERT = Path(__file__).resolve().with_name("peers_convert.py")
FASTER, QUICKER, SMALLER = 0.95, 1.0, 0.5
TARGETS = ("openvino", "onnxruntime")
# Row, room, tool of `peers_convert`, and the file that it leaves.
PEERS = (
    ("Olive", rooms.OLIVE, "olive", "model.onnx"),
    ("NNCF + OpenVINO", rooms.BY_HAND, "nncf", "model.xml"),
    ("ONNX Runtime's quantizer", rooms.BY_HAND, "onnxruntime", "model.onnx"),
)


@dataclass(frozen=True)
class Subject:
    """A checkpoint and the test images that none of the tools has seen."""

    name: str
    checkpoint: Path
    images: Images
    classes: Classes
    folder: Path


def subject(name: str, checkpoint: Path, data: str, out: Path) -> Subject:
    tables = load(None, ())
    put(tables, "data.path", data)
    if data != "digits":
        put(tables, "data.validation", 0.1)
    wish = Wish(checkpoint, TARGETS[0])
    _, _, _, dataset = opened(wish, parse(tables), out / ".store", Silent())
    images, classes = dataset["test"]
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    return Subject(name, checkpoint, images, classes, folder)


def given(this: Subject) -> Path:
    """What a user of a peer has: the module, the calibration images, and how to normalise."""
    import torch
    from torch import fx

    folder = this.folder / "given"
    folder.mkdir(exist_ok=True)
    found = checkpoints.load(this.checkpoint)
    # Traced: it then loads where the code of the net is not.
    net = fx.symbolic_trace(checkpoints.module(found).eval())
    for node in list(net.graph.nodes):
        # What only looks at the image's size is a function of ours.
        if node.op == "call_function" and node.target.__module__.startswith("edgecls."):
            net.graph.erase_node(node)
    net.recompile()
    torch.save(net, folder / "net.pt")
    np.save(folder / "calibration.npy", found.calibration())
    preprocess = found.preprocess
    measured.write_constants(
        folder / "constants.json", preprocess.size, preprocess.mean, preprocess.std
    )
    return folder


def commands(this: Subject, out: Path) -> dict[str, list[str]]:
    """Row -> the command that makes it in the folder ``{}``."""
    source, inputs = str(this.checkpoint.resolve()), str(given(this).resolve())
    found = {}
    for name, room, tool, _ in PEERS:
        program = str(rooms.python(room, out).absolute())
        found[name] = [program, str(CONVERT), tool, inputs, "{}"]
    return found | {f"edgecls {target}": ours(source, target) for target in TARGETS}


def ours(source: str, target: str) -> list[str]:
    words = ["export", source, "--target", target, "--precision", "int8", "--out", "{}/bundle"]
    return [sys.executable, "-m", "edgecls", *words]


def converted(this: Subject, out: Path, repeats: int) -> dict[str, list[rooms.Timed]]:
    """Every conversion so many times, in turns, every other turn the other way round."""
    todo = commands(this, out)
    found: dict[str, list[rooms.Timed]] = {name: [] for name in todo}
    for number in range(repeats):
        names = list(todo) if number % 2 == 0 else list(reversed(todo))
        for name in names:
            folder = this.folder / "made" / f"{plain(name)}-{number}"
            done = rooms.timed(todo[name], folder.resolve(), this.folder / "log")
            found[name].append(done)
            print(f"{this.name} {name}: {done.seconds:.1f} s", flush=True)
    return found


def plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name).lower()


def rows(this: Subject, out: Path, repeats: int) -> Iterator[measured.Row]:
    done = converted(this, out, repeats)
    constants = this.folder / "given" / "constants.json"
    for name, room, _, file in PEERS:
        walls = [each.seconds for each in done[name]]
        program, made = rooms.python(room, out), done[name][0].folder / file
        yield measured.their_row(name, program, made, constants, walls)
    for target in TARGETS:
        each = done[f"edgecls {target}"]
        walls = [timed.seconds for timed in each]
        yield measured.our_row(f"edgecls {target}", each[0].folder / "bundle", walls)


def smaller(this: Subject, number: int, checkpoint: Path) -> Iterator[measured.Row]:
    """A checkpoint that was compressed, for both targets."""
    for target in TARGETS:
        folder = this.folder / "made" / f"smaller-{number}-{target}"
        command = ours(str(checkpoint.resolve()), target)
        done = rooms.timed(command, folder.resolve(), this.folder / "log")
        name = f"edgecls {target} of {checkpoint.name}"
        yield measured.our_row(name, folder / "bundle", [done.seconds])


def conversion(
    this: Subject, compressed: Sequence[Path], asked: argparse.Namespace
) -> dict[str, Any]:
    plain_rows = list(rows(this, asked.out, asked.repeats))
    small = [r for n, path in enumerate(compressed) for r in smaller(this, n, path)]
    protocol = protocol_of(asked)
    found = measured.seen([*plain_rows, *small], this.images, protocol, asked.threads)
    usual, others = found[: len(plain_rows)], found[len(plain_rows) :]
    told: dict[str, Any] = {
        "net": this.name,
        "rows": [each.to_json(this.classes) for each in found],
        "protocol": protocol.to_json(),
        "claim": measured.verdict(usual, this.classes, FASTER, QUICKER),
    }
    if others:
        peers = [each for each in usual if not each.row.is_ours]
        claim = measured.verdict([*peers, *others], this.classes, SMALLER)
        claim["holds"] = claim["holds"] and claim["top1_difference"] >= 0
        told["smaller"] = claim
    return told


def protocol_of(asked: argparse.Namespace) -> Protocol:
    return Protocol(
        threads=asked.threads,
        launches=asked.launches,
        rounds=asked.rounds,
        queries=asked.queries,
        seconds=asked.seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="of every conversion")
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--smaller", action="append", default=[], metavar="NAME=CHECKPOINT")
    parser.add_argument("--job", type=float, metavar="MINUTES", help="the whole job, so long")
    parser.add_argument("--data", type=Path, help="of the whole job")
    peers_job.add_options(parser)
    parser.add_argument("nets", nargs="*", metavar="NAME=CHECKPOINT=DATA")
    asked = parser.parse_args()
    if (asked.job is None) != (asked.data is None) or not (asked.nets or asked.job):
        parser.error("name nets, or give --job with --data, or both")
    compressed: dict[str, list[Path]] = {}
    for text in asked.smaller:
        name, path = text.split("=", 1)
        compressed.setdefault(name, []).append(Path(path))
    unknown = set(compressed) - {text.split("=", 1)[0] for text in asked.nets}
    if unknown:
        parser.error(f"--smaller is of no net: {', '.join(sorted(unknown))}")
    asked.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"nets": []}
    for text in asked.nets:
        name, path, data = text.split("=", 2)
        this = subject(name, Path(path), data, asked.out)
        found["nets"].append(conversion(this, compressed.get(name, []), asked))
        print(json.dumps(found["nets"][-1]), flush=True)
    if asked.job is not None:
        found["job"] = peers_job.job(asked, protocol_of(asked))
    sys.exit(finish(found, asked.out))


def finish(found: dict[str, Any], out: Path) -> int:
    """Print all and tell whether every claim holds."""
    used = [rooms.OLIVE, rooms.BY_HAND] if found["nets"] else []
    used += [rooms.ULTRALYTICS] if "job" in found else []
    found["versions"] = {room.name: rooms.versions(room, out) for room in used}
    claims = [each[key] for each in found["nets"] for key in ("claim", "smaller") if key in each]
    claims += [found["job"]["claim"]] if "job" in found else []
    holds = all(claim["holds"] for claim in claims)
    print(json.dumps({**found, "holds": holds, "machine": hardware.environment()}))
    return 0 if holds else 1


if __name__ == "__main__":
    main()
