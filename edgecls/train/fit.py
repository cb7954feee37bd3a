"""The training loop: one for every method, seeded, and resumable after any epoch.

Every draw of epoch e comes from generators seeded with (seed, e), so nothing but the state after
the last epoch is needed to go on with the same result, bit for bit on the same machine.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecls.core import Classes, Context, Images
from edgecls.errors import EdgeclsError, UsageError
from edgecls.hardware import usable_cores
from edgecls.models.normalise import Normalise
from edgecls.train import averaging, optimizers, parallel, precision, schedule
from edgecls.train.augment import Augmentation, mix, resolve
from edgecls.train.batches import Batch, Loader, even
from edgecls.train.hooks import Hook, NoHook
from edgecls.train.losses import Loss, Piece
from edgecls.train.options import FitOptions
from edgecls.train.parts import Part
from edgecls.train.state import Progressed, Stores
from edgecls.world import World, world

EPOCH_STATE = "epoch.pt"


def set_up(threads: int, seed: int) -> None:
    """Fix what a result depends on: thread count, kernels and torch's own generator."""
    # Processes of one machine share its cores.
    torch.set_num_threads(threads or max(1, usable_cores() // world().local_size))
    # On a GPU some gradients have no deterministic kernel: better an inexact repetition than none.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # In that mode every new tensor is filled with NaN first: up to a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_memory()
    torch.manual_seed(seed)


def keep_memory() -> None:
    """Have freed memory kept for the next step: on a CPU fetching it anew is a fifth of the time.

    glibc gives a large tensor back to the system with its last use, and every page of the next one
    then comes with a fault. Where another allocator is in place nothing happens.
    Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        trim_threshold, mmap_max = -1, -4
        mallopt(trim_threshold, -1)  # never trim
        mallopt(mmap_max, 0)  # all from the heap


def fit(
    net: nn.Module,
    loss: Loss,
    options: FitOptions,
    context: Context,
    parts: Sequence[Part] = (),
    frozen_norms: bool = False,
    hook: Hook | None = None,
    views: int = 0,
) -> list[dict[str, float]]:
    """Train `net` in place on the training split; it ends on the CPU with the weights to keep.

    parts: parameters that learn slower or later. frozen_norms: BatchNorm keeps its statistics.
    hook: what else happens in the loop. views: after so many epochs the same augmented images come
    again, as in the first (0: never).
    The state after each epoch is kept in ``context.workdir`` and taken up again from there.
    Returns the curves: epoch, lr, train_loss, val_loss, val_top1, seconds of each epoch. Raises
    EdgeclsError where the training diverges.
    """
    trainer = _trainer(net, loss, options, context, parts, frozen_norms, hook or NoHook(), views)
    states = Stores(
        context.workdir / EPOCH_STATE,
        trainer.net,
        trainer.optimizer,
        trainer.average,
        trainer.scaler,
    )
    state = states.restore(trainer.place)
    for epoch in state.curves:
        context.log(epoch)
    while state.epoch < options.epochs and not _exhausted(state, options.patience):
        begin = time.monotonic()
        epoch_number = state.epoch + 1
        train_loss, lr = _train_epoch(trainer, epoch_number, state)
        # BatchNorm's statistics are each process's own, of its share of the images.
        parallel.agree([*net.buffers(), *trainer.average.tensors.values()], trainer.place)
        with trainer.average.applied():
            val_loss, val_top1 = _validate(trainer)
            _check_finite(epoch_number, train_loss, val_loss)
            state.keep_best(net, epoch_number, val_top1, val_loss)
        state.curves.append(
            {
                "epoch": epoch_number,
                "lr": lr,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_top1": val_top1,
                "seconds": round(time.monotonic() - begin, 3),
            }
        )
        state.epoch = epoch_number
        context.log(state.curves[-1])
        states.save(state, trainer.place)
    if options.keep == "best":
        net.load_state_dict(state.best)
    else:
        trainer.average.settle()
    net.requires_grad_(True).cpu().eval()
    return state.curves


@dataclass(frozen=True)
class Trainer:
    """A net and all that trains it. net: as it is saved. forward: as it is called."""

    net: nn.Module
    forward: nn.Module
    normalise: nn.Module
    loss: Loss
    options: FitOptions
    context: Context
    how: Augmentation
    optimizer: torch.optim.Optimizer
    average: averaging.Average
    scaler: torch.amp.GradScaler
    half: torch.dtype | None
    frozen_norms: bool
    hook: Hook
    views: int
    place: World
    device: torch.device

    def view(self, epoch: int) -> int:
        """The epoch whose augmented images `epoch` sees."""
        return (epoch - 1) % self.views + 1 if self.views else epoch

    def autocast(self) -> Any:
        if self.half is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.half)

    def loader(self) -> Loader:
        images, classes = self.context.data["train"]
        return Loader(
            images,
            classes,
            self.options.batch_size,
            self.how,
            self.context.seed,
            self.options.sampling == "balanced",
            self.place.rank,
            self.place.size,
            # A CPU has no core left: a thread beside the net's own makes them wait for each other.
            ahead=self.device.type != "cpu" or not isinstance(images, np.ndarray),
        )


def _trainer(
    net: nn.Module,
    loss: Loss,
    options: FitOptions,
    context: Context,
    parts: Sequence[Part],
    frozen_norms: bool,
    hook: Hook,
    views: int,
) -> Trainer:
    device = torch.device(context.device)
    # Before they meet: a process that leaves at once would break the others' connection.
    place = world()
    if options.batch_size % (2 * place.size * options.accumulate):
        raise UsageError(
            f"batch_size {options.batch_size} cannot be shared evenly by {place.size} processes"
            f" in {options.accumulate} parts",
            f"make it a multiple of {2 * place.size * options.accumulate}",
        )
    parallel.join(device)
    half = precision.resolve(options.precision, net, device)
    net.to(device).to(memory_format=torch.channels_last)
    optimizer = optimizers.build(net, options, parts)
    return Trainer(
        net=net,
        forward=parallel.wrapped(
            net, place, device, thaws=any(part.from_epoch > 1 for part in parts)
        ),
        normalise=Normalise(context.data.preprocess).to(device),
        loss=loss,
        options=options,
        context=context,
        how=resolve(options),
        optimizer=optimizer,
        average=averaging.Average(net, options.averaging, options.ema_decay),
        scaler=torch.amp.GradScaler(device.type, enabled=half is torch.float16),
        half=half,
        frozen_norms=frozen_norms,
        hook=hook,
        views=views,
        place=place,
        device=device,
    )


def _train_epoch(trainer: Trainer, epoch: int, state: Progressed) -> tuple[float, float]:
    """One pass; (mean loss, last learning rate)."""
    options, context = trainer.options, trainer.context
    loader = trainer.loader()
    # For dropout and stochastic depth, other in every process.
    torch.manual_seed(context.seed * 1_000_003 + epoch + (trainer.place.rank << 32))
    trainer.net.train()
    if trainer.frozen_norms:
        _freeze_norms(trainer.net)
    trainer.hook.begin_epoch(trainer.net, epoch, options.epochs)
    total, count, lr = torch.zeros((), device=trainer.device), 0, 0.0
    steps = options.epochs * len(loader)
    # Few images may not fill a batch, and then bear no larger rate than theirs.
    note = f"epoch {epoch}/{options.epochs}"
    if state.curves:
        note += f", validation {100 * state.curves[-1]['val_top1']:.1f} %"
    peak = options.peak_lr * min(1.0, len(loader.images) / options.batch_size)
    view = trainer.view(epoch)
    for index, batch in enumerate(loader.epoch(view)):
        step = (epoch - 1) * len(loader) + index
        lr = peak * schedule.factor(options, step, steps, state.curves)
        optimizers.set_rates(trainer.optimizer, lr, epoch)
        total += _step(trainer, batch, view, count) * len(batch.classes)
        count += len(batch.classes)
        trainer.average.update(step + 1, steps)
        context.progress.step(step + 1, steps, note)
    return parallel.mean(float(total) / max(1, count), trainer.place), lr


def _step(trainer: Trainer, batch: Batch, view: int, start: int) -> Tensor:
    """One step of the optimizer; the mean loss. start: the images before these in the epoch."""
    options = trainer.options
    images = trainer.normalise(batch.images.to(trainer.device, non_blocking=True))
    images, target = mix(
        images,
        batch.classes.to(trainer.device),
        len(trainer.context.data.labels),
        trainer.how,
        batch.generator,
    )
    trainer.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=trainer.device)
    size = 2 * math.ceil(len(images) / (2 * options.accumulate))  # even, as batches are
    pieces = list(zip(torch.split(images, size), torch.split(target, size), strict=True))
    for number, (piece, piece_target) in enumerate(pieces, 1):
        # Processes exchange their gradients once a step, with the last part.
        with parallel.apart(trainer.forward, number < len(pieces)):
            with trainer.autocast():
                logits = trainer.forward(piece)
                # In fp32: the logarithms of a softmax lose too much in half precision.
                value = trainer.loss(logits.float(), piece_target, Piece(piece, view, start))
            share = len(piece) / len(images)
            penalty = options.l1 * _magnitude(trainer.optimizer) if options.l1 else 0.0
            trainer.scaler.scale((value + penalty) * share).backward()  # type: ignore[no-untyped-call]
        total += value.detach() * share
        start += len(piece)
    trainer.scaler.unscale_(trainer.optimizer)
    trainer.hook.after_backward(trainer.net)
    if options.clip_norm:
        learning = [p for group in trainer.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(learning, options.clip_norm)
    trainer.scaler.step(trainer.optimizer)
    trainer.scaler.update()
    trainer.hook.after_step(trainer.net)
    return total


def _magnitude(optimizer: torch.optim.Optimizer) -> Tensor:
    """The sum of the magnitudes of the weights that decay (no biases, no norms)."""
    weights = [p for group in optimizer.param_groups for p in group["params"] if p.ndim > 1]
    return torch.stack([weight.abs().sum() for weight in weights]).sum()


def _freeze_norms(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _validate(trainer: Trainer) -> tuple[float, float]:
    """(cross entropy, top-1) on validation; every process looks at its share.

    In fp32, whatever the training computes in: the epoch that is kept is judged as it will ship.
    """
    images, classes = trainer.context.data["validation"]
    place = trainer.place
    cuts = [len(images) * rank // place.size for rank in range(place.size + 1)]
    part = images[cuts[place.rank] : cuts[place.rank + 1]]
    logits = np.zeros((0, len(trainer.context.data.labels)), np.float32)
    if len(part):
        logits = predict(trainer.net, trainer.normalise, part)
    logits = parallel.gathered(logits, place)
    return _score(logits, classes)


def predict(
    net: nn.Module, normalise: nn.Module, images: Images, batch: int = 256
) -> NDArray[np.float32]:
    """Logits float32[N, K] of uint8[N, H, W, C], in evaluation mode, where `net` is."""
    net.eval()
    parameter = next(net.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    normalise.to(device)
    with torch.inference_mode():
        parts = [
            net(normalise(to_batch(images[i : i + batch]).to(device))).float().cpu()
            for i in range(0, len(images), batch)
        ]
    logits: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def to_batch(images: Images) -> Tensor:
    """float[N, C, H, W] in 0..255 and channels_last, of uint8[N, H, W, C]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()


def _score(logits: NDArray[np.float32], classes: Classes) -> tuple[float, float]:
    """(cross entropy, top-1) of logits."""
    target = torch.from_numpy(np.array(classes))
    value = F.cross_entropy(torch.from_numpy(logits), target)
    return float(value), float(np.mean(logits.argmax(1) == np.asarray(classes)))


def _check_finite(epoch: int, train_loss: float, val_loss: float) -> None:
    """Weights that are not finite never become finite again, and would only fail later."""
    if not math.isfinite(train_loss) or math.isnan(val_loss):
        raise EdgeclsError(
            f"the training diverged in epoch {epoch}: its loss is {train_loss:g}, on validation "
            f"{val_loss:g}",
            "lower lr, or raise warmup",
        )


def _exhausted(state: Progressed, patience: int) -> bool:
    return patience > 0 and state.epoch - state.best_epoch >= patience


def reestimate_batchnorm(
    net: nn.Module, normalise: nn.Module, images: Images, batch: int = 128
) -> None:
    """Replace BatchNorm's running statistics by those of `images` (as after a cut)."""
    cuts = list(range(batch, even(len(images), 2) - batch // 2 + 1, batch))
    with torch.no_grad():
        parts = np.split(np.arange(even(len(images), 2)), cuts)
        torch.optim.swa_utils.update_bn((normalise(to_batch(images[i])) for i in parts), net)
