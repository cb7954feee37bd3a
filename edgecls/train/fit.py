"""The training loop: SGD with a cosine schedule, seeded, resumable after any epoch.

Every draw of epoch e comes from generators seeded with (seed, e), so nothing but the state after
the last epoch is needed to go on with the same result, bit for bit on the same machine.
"""

from __future__ import annotations

import math
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecls.core import Classes, Context, Images
from edgecls.errors import EdgeclsError
from edgecls.hardware import usable_cores
from edgecls.models.normalise import Normalise
from edgecls.train.augment import augment
from edgecls.train.losses import Loss
from edgecls.train.options import FitOptions

EPOCH_STATE = "epoch.pt"
# The planned learning rate is for this batch; others scale it linearly (Goyal et al. 2017).
REFERENCE_BATCH = 256


@dataclass
class Progressed:
    """What a training has come to. best: the state of the best validation so far."""

    epoch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_score: tuple[float, float] = (-1.0, 0.0)


def set_up(threads: int, seed: int) -> None:
    """Fix what a result depends on: thread count, kernels and torch's own generator."""
    torch.set_num_threads(threads or usable_cores())
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def fit(
    net: nn.Module, loss: Loss, options: FitOptions, context: Context
) -> list[dict[str, float]]:
    """Train `net` in place on the training split; it ends with its best validated weights.

    The state after each epoch is kept in ``context.workdir`` and taken up again from there.
    Returns the curves: epoch, lr, train_loss, val_loss, val_top1, seconds of each epoch. Raises
    EdgeclsError where the training diverges.
    """
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        _groups(net, options.weight_decay),
        lr=options.lr,
        momentum=options.momentum,
        nesterov=options.momentum > 0,
    )
    normalise = Normalise(context.data.preprocess)
    state = _restore(context.workdir / EPOCH_STATE, net, optimizer)
    while state.epoch < options.epochs and not _exhausted(state, options.patience):
        begin = time.monotonic()
        epoch = state.epoch + 1
        train_loss, lr = _train_epoch(net, normalise, loss, optimizer, options, context, epoch)
        val_logits = predict(net, normalise, context.data["validation"][0])
        val_loss, val_top1 = _score(val_logits, context.data["validation"][1])
        _check_finite(epoch, train_loss, val_loss)
        _keep_best(state, net, epoch, val_top1, val_loss)
        state.curves.append(
            {
                "epoch": epoch,
                "lr": lr,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_top1": val_top1,
                "seconds": round(time.monotonic() - begin, 3),
            }
        )
        state.epoch = epoch
        _save(context.workdir / EPOCH_STATE, net, optimizer, state)
    net.load_state_dict(state.best)
    net.eval()
    return state.curves


def predict(
    net: nn.Module, normalise: nn.Module, images: Images, batch: int = 256
) -> NDArray[np.float32]:
    """Logits float32[N, K] of uint8[N, H, W, C], in evaluation mode."""
    net.eval()
    with torch.inference_mode():
        parts = [
            net(normalise(to_batch(images[i : i + batch]))) for i in range(0, len(images), batch)
        ]
    logits: NDArray[np.float32] = torch.cat(parts).float().numpy()
    return logits


def to_batch(images: Images) -> Tensor:
    """float[N, C, H, W] in 0..255 and channels_last, of uint8[N, H, W, C]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()


def learning_rate(options: FitOptions, step: int, steps: int) -> float:
    """Linear warm-up to the peak, then half a cosine to zero (Loshchilov & Hutter 2017)."""
    peak = options.lr * options.batch_size / REFERENCE_BATCH
    warmup = options.warmup * steps
    if step < warmup:
        return peak * (step + 1) / math.ceil(warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup)))


def _train_epoch(
    net: nn.Module,
    normalise: nn.Module,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    options: FitOptions,
    context: Context,
    epoch: int,
) -> tuple[float, float]:
    """One pass; (mean loss, last learning rate)."""
    images, classes = context.data["train"]
    generator = torch.Generator().manual_seed(context.seed * 1_000_003 + epoch)
    torch.manual_seed(context.seed * 1_000_003 + epoch)  # dropout and stochastic depth
    order = torch.randperm(len(images), generator=generator).numpy()
    batches = _batches(order, options.batch_size)
    total, lr = 0.0, 0.0
    net.train()
    for index, chosen in enumerate(batches):
        lr = learning_rate(
            options, (epoch - 1) * len(batches) + index, options.epochs * len(batches)
        )
        for group in optimizer.param_groups:
            group["lr"] = lr
        batch = augment(to_batch(images[np.sort(chosen)]), options.augment, generator)
        batch = normalise(batch.contiguous(memory_format=torch.channels_last))
        target = torch.from_numpy(np.array(classes[np.sort(chosen)]))
        optimizer.zero_grad(set_to_none=True)
        value = loss(net(batch), target, batch)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(value.detach()) * len(chosen)
        done = (epoch - 1) * len(batches) + index + 1
        context.progress.step(
            done, options.epochs * len(batches), f"epoch {epoch}/{options.epochs}"
        )
    return total / max(1, sum(map(len, batches))), lr


def _batches(order: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """Batches of `size`; a rest of less than half a batch joins the last one.

    BatchNorm's statistics of a handful of images would disturb more than they teach. Every batch
    is even, at the price of one image of an epoch at most: on AVX-512, oneDNN's gradient of a
    strided 1×1 convolution with 8 channels reads past the end of an odd batch (seen with torch
    2.14 as a segmentation fault).
    """
    order = order[: max(2, len(order) // 2 * 2)]
    cuts = list(range(size, len(order) - size // 2 + 1, size))
    return np.split(order, cuts)


def _groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


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


def _keep_best(
    state: Progressed, net: nn.Module, epoch: int, val_top1: float, val_loss: float
) -> None:
    """Keep the weights of the best top-1; of equals, those of the lower loss."""
    if (val_top1, -val_loss) > state.best_score:
        state.best_score, state.best_epoch = (val_top1, -val_loss), epoch
        state.best = {name: t.detach().clone() for name, t in net.state_dict().items()}


def _exhausted(state: Progressed, patience: int) -> bool:
    return patience > 0 and state.epoch - state.best_epoch >= patience


def _save(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, state: Progressed) -> None:
    beside = path.with_suffix(".part")
    torch.save(
        {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "state": vars(state)},
        beside,
    )
    beside.replace(path)


def _restore(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> Progressed:
    """What an earlier process came to; fresh where there was none, or a power cut spoiled it.

    A state of another net raises: its workdir belongs to one stage alone.
    """
    if not zipfile.is_zipfile(path):
        return Progressed()
    saved = torch.load(path, weights_only=True)
    net.load_state_dict(saved["net"])
    optimizer.load_state_dict(saved["optimizer"])
    return Progressed(**saved["state"])


def reestimate_batchnorm(
    net: nn.Module, normalise: nn.Module, images: Images, batch: int = 128
) -> None:
    """Replace BatchNorm's running statistics by those of `images` (as after a cut)."""
    with torch.no_grad():
        parts = _batches(np.arange(len(images)), batch)
        torch.optim.swa_utils.update_bn((normalise(to_batch(images[i])) for i in parts), net)
