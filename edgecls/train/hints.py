"""Feature hints: a student's features learn to point where the teacher's do (FitNets, ICLR 2015).

A projection that is learned with the student takes its channels to the teacher's, and is thrown
away afterwards; where the maps differ in size the larger one is averaged down. What is compared is
the direction at each place, so that no weight depends on the nets' scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.errors import UsageError, unknown_name
from edgecls.train.losses import Loss, Piece


@dataclass(frozen=True)
class Pair:
    """Two layers by their names: whose outputs are compared."""

    student: str
    teacher: str


class Tap:
    """Keeps what layers of a net gave in its last forward pass."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        self.outputs: dict[str, Tensor] = {}
        modules = dict(net.named_modules())
        for name in names:
            if name not in modules or not name:
                raise unknown_name("layer", name, [known for known in modules if known])
            modules[name].register_forward_hook(self._keeper(name))

    def _keeper(self, name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self.outputs[name] = output

        return keep


class Hinted(nn.Module):
    """A student with the projections of its features; it answers as the student does."""

    def __init__(self, student: nn.Module, projections: Sequence[nn.Module], tap: Tap) -> None:
        super().__init__()
        self.student = student
        self.projections = nn.ModuleList(projections)
        self._tap = tap
        self.projected: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.student(images)
        # Here, and not in the loss: so a distributed wrapper sees these parameters too.
        outputs = list(self._tap.outputs.values())
        if self.training:
            pairs = zip(self.projections, outputs, strict=True)
            self.projected = [project(output) for project, output in pairs]
        return logits


def last_layers(student: nn.Module, teacher: nn.Module, example: Tensor) -> Pair:
    """The layers of the last feature maps; of a net without any, what its head reads.

    example: float[N, C, H, W]. Raises UsageError.
    """
    return Pair(_last(student, example), _last(teacher, example))


def _last(net: nn.Module, example: Tensor) -> str:
    maps: list[str] = []
    vectors: list[str] = []
    handles = []
    for name, module in net.named_modules():
        if name and not any(module.children()):

            def seen(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and output.ndim == 4 and output.shape[-1] > 1:
                    maps.append(name)
                elif isinstance(output, Tensor) and output.ndim in (2, 3):
                    vectors.append(name)

            handles.append(module.register_forward_hook(seen))
    with torch.no_grad():
        net.eval()(example)
    for handle in handles:
        handle.remove()
    if maps:
        return maps[-1]
    if len(vectors) > 1:
        return vectors[-2]
    raise UsageError(
        "no layer of this net gives features that a hint could be of",
        "name the layers: --hint-layers student_layer:teacher_layer",
    )


def pairs_of(texts: Sequence[str]) -> list[Pair]:
    """Pairs of ``student_layer:teacher_layer``. Raises UsageError."""
    found = []
    for text in texts:
        student, colon, teacher = text.partition(":")
        if not (student and colon and teacher):
            raise UsageError(
                f"{text!r} names no pair of layers", "such as layer4:stages.3 (student:teacher)"
            )
        found.append(Pair(student, teacher))
    return found


def attach(
    student: nn.Module,
    teacher: nn.Module,
    pairs: Sequence[Pair],
    example: Tensor,
    weight: float,
    loss: Loss,
) -> tuple[Hinted, Loss]:
    """The student with its projections, and `loss` with ``weight · (1 - cosine)`` of every pair.

    teacher: answers in the loop before the loss reads its features. example: float[N, C, H, W].
    Raises UsageError for a layer that is not there, or gives no tensor.
    """
    mine = Tap(student, [pair.student for pair in pairs])
    theirs = Tap(teacher, [pair.teacher for pair in pairs])
    with torch.no_grad():
        student.eval()(example)
        teacher.eval()(example)
    projections = [
        _projection(_output(mine, pair.student), _output(theirs, pair.teacher)) for pair in pairs
    ]
    hinted = Hinted(student, projections, mine)

    def with_hints(logits: Tensor, target: Tensor, piece: Piece) -> Tensor:
        value = loss(logits, target, piece)
        for pair, projected in zip(pairs, hinted.projected, strict=True):
            value = value + weight * _apart(projected.float(), theirs.outputs[pair.teacher].float())
        return value

    return hinted, with_hints


def _output(tap: Tap, name: str) -> Tensor:
    if name not in tap.outputs or tap.outputs[name].ndim not in (2, 3, 4):
        raise UsageError(f"layer {name} gives no features", "name another layer")
    return tap.outputs[name]


def _projection(mine: Tensor, theirs: Tensor) -> nn.Module:
    """From the student's channels to the teacher's; maps lie by channels, tokens by the last."""
    if (mine.ndim == 4) != (theirs.ndim == 4):
        raise UsageError(
            "a hint compares two feature maps or two vectors, not one with the other",
            "name other layers",
        )
    if mine.ndim == 4:
        return nn.Conv2d(mine.shape[1], theirs.shape[1], 1, bias=False)
    return nn.Linear(mine.shape[-1], theirs.shape[-1], bias=False)


def _apart(mine: Tensor, theirs: Tensor) -> Tensor:
    """The mean of 1 - cosine over images and places."""
    if mine.ndim == 4:
        size = (min(mine.shape[2], theirs.shape[2]), min(mine.shape[3], theirs.shape[3]))
        mine = F.adaptive_avg_pool2d(mine, size).flatten(2).transpose(1, 2)
        theirs = F.adaptive_avg_pool2d(theirs, size).flatten(2).transpose(1, 2)
    elif mine.shape[1:-1] != theirs.shape[1:-1]:
        mine, theirs = (each.flatten(1, -2).mean(dim=1) for each in (mine, theirs))
    return 1 - F.cosine_similarity(mine, theirs, dim=-1).mean()
