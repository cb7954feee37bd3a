"""Pretrained tensors into a net for other classes, another size and other channels.

The head starts anew where its shape is another one. The first convolution is rewritten for the
data's own normalisation, and for grayscale summed over its input channels: but for a zero-padded
border, a gray image gets the answer that it would get as three equal channels. A transformer's
position embeddings are interpolated. All else must fit, or nothing is loaded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError
from edgecls.models.weights import Normalisation, Weights
from edgecls.rundir import write_text

ACCOUNT = "pretrained.json"
# Of the tensors beside the head, so many may be missing: a layer that was added, never another net.
MAX_MISSING = 0.1
# Nothing that is learned; files older than torch 0.4.1, and others' files, do without.
COMPUTED = ("num_batches_tracked", "relative_position_index", "relative_coords_table")
POSITIONS = ("encoder.pos_embedding", "pos_embed")
# Names in torchvision's files, and those of its nets.
RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


@dataclass(frozen=True)
class Loaded:
    """What became of every tensor.

    adapted: loaded in another shape. fresh: of another shape, such as the head. missing: in the
    net alone. unexpected: in the file alone.
    """

    source: str
    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    fresh: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def sentence(self) -> str:
        """For people, with the few names that matter."""
        parts = [f"{len(self.loaded) + len(self.adapted)} tensors from {self.source}"]
        for word in ("adapted", "fresh", "missing", "unexpected"):
            if names := getattr(self, word):
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                parts.append(f"{word}: {', '.join(names[:3])}{more}")
        return "; ".join(parts)

    def write(self, folder: Path) -> None:
        """Keep the whole account in a checkpoint's folder."""
        write_text(folder / ACCOUNT, json.dumps(asdict(self), indent=1) + "\n")


def load(net: nn.Module, weights: Weights, preprocess: Preprocess) -> Loaded:
    """Load `weights` into `net` in place. Raises EdgeclsError where too little of them fits."""
    own = net.state_dict()
    given = _converted(weights, own, preprocess)
    taken: dict[str, list[str]] = {"loaded": [], "adapted": [], "fresh": [], "missing": []}
    for name, tensor in own.items():
        candidate = given.get(name)
        if candidate is None:
            if not name.endswith(COMPUTED):
                taken["missing"].append(name)
        elif candidate.shape != tensor.shape:
            taken["fresh"].append(name)
        else:
            same = weights.tensors.get(name) is candidate or name not in weights.tensors
            taken["loaded" if same else "adapted"].append(name)
            own[name] = candidate.to(tensor.dtype)
    unexpected = tuple(name for name in given if name not in own)
    loaded = Loaded(
        weights.source, **{k: tuple(v) for k, v in taken.items()}, unexpected=unexpected
    )
    _check(net, loaded)
    net.load_state_dict(own)
    return loaded


def head_of(net: nn.Module) -> str:
    """The name of the last layer, which gives the logits."""
    return [name for name, _ in net.named_parameters()][-1].rpartition(".")[0]


def _check(net: nn.Module, loaded: Loaded) -> None:
    head = head_of(net) + "."
    learned = [name for name in net.state_dict() if not name.endswith(COMPUTED)]
    wanted = [name for name in learned if not name.startswith(head)]
    lacking = [n for n in (*loaded.missing, *loaded.fresh) if not n.startswith(head)]
    if len(lacking) > MAX_MISSING * len(wanted):
        fit = len(wanted) - len(lacking)
        raise EdgeclsError(
            f"{loaded.source} does not fit this net: only {fit} of its {len(wanted)} tensors below"
            f" the head; it lacks {', '.join(lacking[:3])} …",
            "give the net that the weights were made for, and its size for a net that has one",
        )


def _converted(
    weights: Weights, own: Mapping[str, Tensor], preprocess: Preprocess
) -> dict[str, Tensor]:
    """The given tensors under the net's names, the first layer and the positions made to fit."""
    given: dict[str, Tensor] = {}
    for name, tensor in weights.tensors.items():
        if name not in own:
            for pattern, replacement in RENAMED:
                name = pattern.sub(replacement, name)
        given[name] = tensor
    for name in POSITIONS:
        if name in own and name in given and own[name].shape != given[name].shape:
            given[name] = interpolated(given[name], own[name].shape[1])
    _adapt_first_layer(given, own, weights.normalisation, preprocess)
    return given


def interpolated(positions: Tensor, length: int) -> Tensor:
    """float[1, L, D] for another square grid, bicubic; the tokens before the grid are kept."""
    side, new_side = math.isqrt(positions.shape[1]), math.isqrt(length)
    before = positions.shape[1] - side**2
    if before != length - new_side**2:
        return positions  # no square grid: it is told as a tensor that does not fit
    tokens, grid = positions[:, :before], positions[:, before:]
    grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=new_side, mode="bicubic", align_corners=False)
    return torch.cat([tokens, grid.flatten(2).permute(0, 2, 1)], dim=1)


def _adapt_first_layer(
    given: dict[str, Tensor],
    own: Mapping[str, Tensor],
    source: Normalisation,
    preprocess: Preprocess,
) -> None:
    """Rewrite the first convolution for the data's channels and normalisation.

    With x' = (g - m') / s' for x = (g - m) / s, w·x = (w s'/s)·x' + Σ w (m' - m) / s: the scale
    goes into the kernel, the constant into the bias or off the mean of the norm that follows.
    """
    name = next((n for n, t in own.items() if t.ndim == 4), None)
    if name is None or name not in given or given[name].ndim != 4:
        return
    kernel, wanted = given[name], own[name].shape[1]
    target: Normalisation = (tuple(preprocess.mean), tuple(preprocess.std))
    if kernel.shape[1] == wanted and target == source:
        return
    if {kernel.shape[1], wanted} - {1, 3} or len(source[0]) != kernel.shape[1]:
        return
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in source)
    new_mean, new_std = (
        torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in target
    )
    if kernel.shape[1] == 1 and wanted == 3:
        # A gray kernel looks at the mean of the channels.
        kernel, mean, std = kernel.expand(-1, 3, -1, -1) / 3, mean.expand(1, 3, 1, 1), std
    scaled = kernel.double() * (new_std / std)
    constant = (kernel.double() * ((new_mean - mean) / std)).sum(dim=(1, 2, 3))
    given[name] = scaled.sum(1, keepdim=True).float() if wanted == 1 else scaled.float()
    _shift(given, own, name, constant)


def _shift(
    given: dict[str, Tensor], own: Mapping[str, Tensor], kernel: str, constant: Tensor
) -> None:
    """Add a constant to the outputs of the convolution `kernel`, per channel."""
    bias = kernel.removesuffix("weight") + "bias"
    if bias in own and bias in given:
        given[bias] = (given[bias].double() + constant).float()
        return
    names = list(own)
    after = names[names.index(kernel) + 1 :][:4]
    mean = next((name for name in after if name.endswith("running_mean")), None)
    if mean in given and given[mean].shape == constant.shape:
        given[mean] = (given[mean].double() - constant).float()
