"""What teachers answer, kept on disk, so that a long teacher runs once.

A batch is a function of (seed, epoch, index) alone, augmentation and mixing included. So the
answers to an epoch can be used again by a training that was killed, by another student, and, where
the epochs of a training come back to the same views of the images, by that training itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgecls.core import Context, Dataset
from edgecls.hardware import package_version
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import Checkpoint
from edgecls.train import losses, precision, produce
from edgecls.train.augment import resolve
from edgecls.train.batches import even
from edgecls.train.losses import Answers, Loss, Piece
from edgecls.train.options import FitOptions, TaughtOptions
from edgecls.world import world

# More than this is not kept: the disk would fill faster than a teacher answers.
MOST_BYTES = 4_000_000_000
# So many images tell two splits apart, beside their classes.
_SAMPLED = 256


class Teacher:
    """A net that answers without gradients, in the precision that suits itself."""

    def __init__(self, checkpoint: Checkpoint, options: FitOptions, context: Context) -> None:
        device = torch.device(context.device)
        net = checkpoints.module(checkpoint).requires_grad_(False)
        self.checkpoint = checkpoint
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.half = precision.resolve("auto", net, device)

    def __call__(self, piece: Piece) -> Tensor:
        """float[N, K]."""
        half = self.half or torch.bfloat16
        with (
            torch.no_grad(),
            torch.autocast(piece.images.device.type, half, enabled=self.half is not None),
        ):
            logits: Tensor = self.net(piece.images).float()
        return logits


def load(folder: Path, options: FitOptions, context: Context) -> Teacher:
    """The teacher in a checkpoint's folder. Raises UsageError where the data is not for it."""
    return Teacher(produce.read_parent(folder, context), options, context)


def loss(
    teachers: Sequence[Teacher], options: TaughtOptions, context: Context, on_labels: Loss
) -> Loss:
    """The loss of a `fit` of those options, which is given their `views`."""
    return losses.distillation(
        answers(teachers, options, context, options.views),
        options.temperature,
        options.alpha,
        on_labels,
        options.kind,
        options.beta,
    )


def loss_beside(parents: Mapping[str, Path], options: TaughtOptions, context: Context) -> Loss:
    """The loss of a training that goes on with ``model``: ``teacher`` guides it, or itself."""
    teacher = load(parents.get("teacher", parents["model"]), options, context)
    return loss([teacher], options, context, losses.hard(options, context.data))


def answers(
    teachers: Sequence[Teacher], options: FitOptions, context: Context, views: int = 0
) -> Answers:
    """What `teachers` answer in a `fit` of those options; views: see `fit`."""
    place = world()
    images, _ = context.data["train"]
    count = even(len(images), 2 * place.size) // place.size
    total = (views or options.epochs) * count * len(context.data.labels) * 4
    if context.shared is None or total > MOST_BYTES:
        return lambda piece: [each(piece) for each in teachers]
    batches = _about_batches(options, context)
    kept = []
    for teacher in teachers:
        found = teacher.checkpoint
        about = [found.arch, *found.edits, found.weights_sha256, str(teacher.half)]
        folder = context.shared({**batches, "teacher": about})
        kept.append(Kept(teacher, folder, count, place.rank))
    return lambda piece: [each(piece) for each in kept]


def _about_batches(options: FitOptions, context: Context) -> Mapping[str, Any]:
    """All that the images of an epoch follow from."""
    place = world()
    return {
        "kept": "answers",
        "version": 1,
        "data": digest(context.data),
        "seed": context.seed,
        "augmentation": asdict(resolve(options)),
        "batch_size": options.batch_size,
        "accumulate": options.accumulate,
        "sampling": options.sampling,
        "processes": place.size,
        "device": torch.device(context.device).type,
        "torch": package_version("torch"),
    }


def digest(data: Dataset) -> str:
    """A name for the training split: of its classes and a sample of its images."""
    images, classes = data["train"]
    found = hashlib.sha256(np.ascontiguousarray(classes).tobytes())
    rows = np.unique(np.linspace(0, len(images) - 1, _SAMPLED).astype(np.int64))
    found.update(np.ascontiguousarray(images[rows]).tobytes())
    found.update(repr((data.fingerprint, data.preprocess.to_json())).encode())
    return found.hexdigest()


class Kept:
    """A teacher whose answers to a whole epoch are kept as ``<epoch>-<rank>.npy`` in a folder.

    count: the images of an epoch that this process sees.
    """

    def __init__(
        self, teacher: Callable[[Piece], Tensor], folder: Path, count: int, rank: int = 0
    ) -> None:
        self._teacher, self._folder = teacher, folder
        self._count, self._rank = count, rank
        self._epoch = 0
        self._known: NDArray[np.float32] | None = None
        self._fresh: list[NDArray[np.float32]] = []

    def __call__(self, piece: Piece) -> Tensor:
        """float[N, K]."""
        if piece.epoch != self._epoch or piece.start == 0:
            self._epoch, self._fresh = piece.epoch, []
            self._known = _read(self._file(piece.epoch), self._count)
        if self._known is not None:
            rows = self._known[piece.start : piece.start + len(piece.images)]
            return torch.from_numpy(np.array(rows)).to(piece.images.device)
        logits = self._teacher(piece)
        self._keep(piece, logits)
        return logits

    def _file(self, epoch: int) -> Path:
        return self._folder / f"{epoch:05d}-{self._rank:03d}.npy"

    def _keep(self, piece: Piece, logits: Tensor) -> None:
        if sum(map(len, self._fresh)) != piece.start:
            return  # the epoch was not seen from its beginning
        self._fresh.append(logits.cpu().numpy())
        if piece.start + len(logits) == self._count:
            file = self._file(piece.epoch)
            beside = file.with_suffix(f".{torch.initial_seed() & 0xFFFFFFFF:x}.part")
            with beside.open("wb") as stream:
                np.save(stream, np.concatenate(self._fresh), allow_pickle=False)
            beside.replace(file)
            self._fresh = []


def _read(file: Path, count: int) -> NDArray[np.float32] | None:
    """The answers to an epoch; None where they are not there, or not whole."""
    try:
        found: NDArray[np.float32] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.float32 and len(found) == count else None
