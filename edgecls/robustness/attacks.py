"""Images that were changed by the least that makes a net err: FGSM and PGD in the L∞ ball.

FGSM (Goodfellow et al., ICLR 2015) steps once by the sign of the loss's gradient; PGD (Madry et
al., ICLR 2018) begins anywhere in the ball and steps often. Steps are whole steps of 1/255, so
every iterate is a picture of uint8 values: what is scored is what a device would be given, and no
rounding at the end undoes an attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import EdgeclsError

if TYPE_CHECKING:
    from torch import Tensor, nn

Bytes = NDArray[np.uint8]
# Images are attacked so many at a time.
_BATCH = 64
# A softmax of logits further apart than this has a gradient that may round to nothing, which would
# pass for robustness (Carlini and Wagner, S&P 2017): such logits are scaled down first.
_MARGIN = 10.0


@dataclass(frozen=True)
class Attack:
    """name: ``fgsm`` or ``pgd``. eps: the largest change of a value, in steps of 1/255.

    steps: of PGD; FGSM takes one.
    """

    name: str
    eps: int
    steps: int = 1

    @property
    def step(self) -> int:
        """How far one step goes, in steps of 1/255: PGD's may cross the ball two and a half times.

        (Madry et al. take 2 of 8 in 7 steps, which is 1.75 times.)
        """
        return self.eps if self.name == "fgsm" else max(1, round(2.5 * self.eps / self.steps))

    @property
    def label(self) -> str:
        return f"{self.name}-{self.eps}"


def attacked(
    net: nn.Module, images: Bytes, classes: NDArray[np.int64], attack: Attack, seed: int = 0
) -> Bytes:
    """The attack's images, uint8[N, H, W, C], each within `eps` of its own.

    net: takes float[N, H, W, C] in 0..255, normalises it, and gives logits (`Deployable` does). An
    image that errs is left as it is from there on. Raises EdgeclsError where no gradient reaches
    the images.
    """
    found = [
        _batch(net, images[start : start + _BATCH], classes[start : start + _BATCH], attack, rng)
        for start, rng in _batches(len(images), seed)
    ]
    return np.concatenate(found) if found else images.copy()


def _batches(count: int, seed: int) -> list[tuple[int, np.random.Generator]]:
    return [(start, np.random.default_rng([seed, start])) for start in range(0, count, _BATCH)]


def _batch(
    net: nn.Module,
    images: Bytes,
    classes: NDArray[np.int64],
    attack: Attack,
    rng: np.random.Generator,
) -> Bytes:
    import torch

    clean = torch.from_numpy(np.array(images)).float()
    truth = torch.from_numpy(np.asarray(classes, np.int64))
    low, high = (clean - attack.eps).clamp(min=0), (clean + attack.eps).clamp(max=255)
    current = clean.clone()
    with torch.no_grad():
        active = net(clean).argmax(1) == truth
    if attack.name == "pgd":
        start = rng.integers(-attack.eps, attack.eps + 1, images.shape)
        moved = (clean + torch.from_numpy(start).float()).clamp(low, high)
        current[active] = moved[active]
    for _ in range(attack.steps if attack.name == "pgd" else 1):
        rows = active.nonzero().flatten()
        if not len(rows):
            break
        gradient, right = _gradient(net, current[rows], truth[rows])
        stepped = (current[rows] + attack.step * gradient.sign()).clamp(low[rows], high[rows])
        current[rows] = torch.where(right.view(-1, 1, 1, 1), stepped, current[rows])
        active[rows] = right
    return current.to(torch.uint8).numpy()


def _gradient(net: nn.Module, images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The loss's gradient at each image, and which are answered rightly there."""
    import torch
    from torch.nn import functional as F

    with torch.enable_grad():
        given = images.detach().requires_grad_(True)
        logits = net(given).float()
        spread = (logits.amax(1) - logits.amin(1)).detach()
        scaled = logits / (spread / _MARGIN).clamp(min=1).unsqueeze(1)
        loss = F.cross_entropy(scaled, truth, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, given, allow_unused=True)
    if gradient is None or not bool(gradient.any()):
        raise EdgeclsError(
            "no gradient reaches the images through this net",
            "its rounding hides it: attack the net that it was made from instead",
        )
    return gradient, logits.argmax(1) == truth
