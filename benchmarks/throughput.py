"""How fast `edgecls train` feeds its net: images a second, beside two loops that people write.

plain: tensors in memory, shifted and mirrored batch by batch, SGD, nothing else: what the machine
can do. folder: torchvision's ImageFolder and a DataLoader with two workers, the tutorial's way.
fp32 and auto: `fit`, in fp32, and in the precision that it chooses by itself (bf16 where the CPU
multiplies it natively, else fp32). All train the same net in channels_last with the same batch and
augmentation (shift by 1/8, mirror), each in a process of its own, interleaved; what counts is the
ratio in one run: fp32 over plain, both of one precision, and auto over folder, both as they come.

    python benchmarks/throughput.py --data CIFAR_FOLDER [--rounds 5] [--out results.json]

CIFAR_FOLDER holds train/<class>/*.jpg and test/<class>/*.jpg. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F

from edgecls import data as datas
from edgecls import hardware
from edgecls.core import Context, Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.models import zoo
from edgecls.train import fit, losses
from edgecls.train.options import FitOptions

NETS = ("resnet8", "resnet20")
WAYS = ("plain", "folder", "fp32", "auto")
OURS = ("fp32", "auto")
BATCH = 256
WARM_UP = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Enough(Exception):
    """All steps that are timed are done."""


class Watch:
    """The times at which steps ended."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.times: list[float] = []

    def step(self, done: int = 0, total: int = 0, note: str = "") -> None:
        self.times.append(time.perf_counter())
        if len(self.times) > WARM_UP + self.steps:
            raise Enough

    @property
    def images_per_s(self) -> float:
        return BATCH * self.steps / (self.times[-1] - self.times[WARM_UP])


def prepared(folder: Path, root: Path) -> Dataset:
    """The images as `edgecls train` prepares them, once."""
    out = folder / "data"
    if not out.is_dir():
        preprocess = Preprocess(size=(32, 32), resize="stretch", mode="RGB", mean=MEAN, std=STD)
        beside = folder / "part"
        datas.prepare(root, preprocess, datas.SplitFractions(0.8, 0.1, 0.1), 0, beside)
        beside.rename(out)
    return datas.load(out)


def optimizer_of(net: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)


def plain(arch: str, data: Dataset, watch: Watch) -> None:
    """The loop without a library around it."""
    images = torch.from_numpy(np.array(data["train"][0])).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    images = F.pad(images, (4, 4, 4, 4), "reflect").permute(0, 2, 3, 1).contiguous()
    classes = torch.from_numpy(np.array(data["train"][1]))
    net = zoo.build(arch, 10, 3, (32, 32)).to(memory_format=torch.channels_last)
    optimizer = optimizer_of(net)
    while True:
        for chosen in torch.split(torch.randperm(len(images)), BATCH):
            if len(chosen) < BATCH:
                continue
            batch = cropped(images[chosen])
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(batch), classes[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            watch.step()


def cropped(padded: torch.Tensor) -> torch.Tensor:
    """float[N, 3, 32, 32]: every image cropped at its own place and mirrored or not, in one gather.

    padded: float[N, 40, 40, 3].
    """
    count = len(padded)
    side = torch.arange(32)
    rows = side + torch.randint(9, (count, 1))
    columns = torch.where(torch.rand(count, 1) < 0.5, side, 31 - side) + torch.randint(
        9, (count, 1)
    )
    each = torch.arange(count)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def folder(arch: str, root: Path, watch: Watch) -> None:
    """ImageFolder and DataLoader."""
    from torchvision import datasets
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomCrop(32, padding=4, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(root / "train", transform),
        BATCH,
        shuffle=True,
        num_workers=2,
        drop_last=True,
        persistent_workers=True,
    )
    net = zoo.build(arch, 10, 3, (32, 32)).to(memory_format=torch.channels_last)
    optimizer = optimizer_of(net)
    while True:
        for batch, classes in loader:
            batch = batch.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(batch), classes).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            watch.step()


def ours(
    arch: str, data: Dataset, watch: Watch, scratch: Path, precision: Literal["fp32", "auto"]
) -> None:
    """`fit`, as `edgecls train` calls it."""
    options = FitOptions(
        epochs=100,
        batch_size=BATCH,
        augment="none",
        flip="random",
        crop=0.125,
        precision=precision,
    )
    net = zoo.build(arch, 10, 3, (32, 32))
    context = Context(data, seed=0, workdir=scratch, progress=watch)
    fit.fit(net, losses.cross_entropy(0.0), options, context)


def one(way: str, arch: str, root: Path, cache: Path, steps: int) -> float:
    """Images a second of one way, in this process."""
    if way in OURS:
        fit.set_up(0, 0)
    else:  # as a loop of one's own starts
        torch.manual_seed(0)
    watch = Watch(steps)
    try:
        if way == "plain":
            plain(arch, prepared(cache, root), watch)
        elif way == "folder":
            folder(arch, root, watch)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                precision: Literal["fp32", "auto"] = "fp32" if way == "fp32" else "auto"
                ours(arch, prepared(cache, root), watch, Path(scratch), precision)
    except Enough:
        pass
    return watch.images_per_s


def measure(root: Path, cache: Path, rounds: int, steps: int) -> dict[str, Any]:
    """Medians of all ways and nets over interleaved rounds, and the ratios of ours."""
    found: dict[str, dict[str, list[float]]] = {arch: {w: [] for w in WAYS} for arch in NETS}
    prepared(cache, root)
    for number in range(rounds):
        for arch in NETS:
            # Each round begins with another one: none always follows a hot or a cold machine.
            first = number % len(WAYS)
            for way in WAYS[first:] + WAYS[:first]:
                command = [sys.executable, __file__, "--data", str(root), "--cache", str(cache)]
                command += ["--only", way, arch, "--steps", str(steps)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[arch][way].append(float(done.stdout))
                print(f"round {number + 1} {arch} {way}: {float(done.stdout):.0f} images/s")
    return {arch: summary(ways) for arch, ways in found.items()}


def summary(ways: dict[str, list[float]]) -> dict[str, Any]:
    def ratio(mine: str, other: str) -> float:
        return round(median(a / b for a, b in zip(ways[mine], ways[other], strict=True)), 3)

    return {
        **{f"{way}_images_per_s": round(median(values)) for way, values in ways.items()},
        **{f"{m}_over_{other}": ratio(m, other) for m in OURS for other in ("plain", "folder")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/throughput"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs=2, metavar=("WAY", "NET"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    if given.only:
        print(one(given.only[0], given.only[1], given.data, given.cache, given.steps))
        return
    result = measure(given.data, given.cache, given.rounds, given.steps)
    record = {**result, "rounds": given.rounds, "batch": BATCH, "machine": hardware.environment()}
    if given.out:
        given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record))
    held = all(
        result[arch]["fp32_over_plain"] >= 1 and result[arch]["auto_over_folder"] >= 2
        for arch in NETS
    )
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
