"""Feature hints: layers found or named, projections learned and thrown away."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.train import hints, losses
from edgecls.train.losses import Piece

EXAMPLE = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def net(arch: str) -> nn.Module:
    torch.manual_seed(0)
    return zoo.build(arch, 10, 3, (32, 32))


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("resnet8", "airbench94"), ("mobilenet_v2_32", "resnet20"), ("rowgru", "rowgru")],
)
def test_the_last_features_are_found_and_projected(student, teacher):
    mine, theirs = net(student), net(teacher)
    pairs = [hints.last_layers(mine, theirs, EXAMPLE)]
    classes = torch.tensor([0, 1, 2, 3])
    hinted, loss = hints.attach(mine, theirs, pairs, EXAMPLE, 2.0, losses.cross_entropy(0.0))
    hinted.train()
    logits = hinted(EXAMPLE)
    with torch.no_grad():
        theirs(EXAMPLE)
    plain = losses.cross_entropy(0.0)(logits, classes, Piece(EXAMPLE))
    value = loss(logits, classes, Piece(EXAMPLE))
    assert 0 < (value - plain).item() <= 4
    value.backward()
    assert all(p.grad is not None for p in hinted.projections.parameters())
    assert all(p.grad is None for p in theirs.parameters())


def test_a_student_of_itself_has_nothing_to_learn_from_the_hint():
    twin, pairs = net("resnet8"), None
    teacher = net("resnet8").eval()
    pairs = [hints.last_layers(twin, teacher, EXAMPLE)]
    hinted, loss = hints.attach(twin, teacher, pairs, EXAMPLE, 1.0, lambda *_: torch.zeros(()))
    with torch.no_grad():
        hinted.projections[0].weight.copy_(torch.eye(64)[:, :, None, None])
        hinted.train()
        twin.eval()
        hinted(EXAMPLE)
        teacher(EXAMPLE)
    assert loss(EXAMPLE, EXAMPLE, Piece(EXAMPLE)).item() == pytest.approx(0, abs=1e-6)


def test_maps_of_other_sizes_are_averaged_to_the_smaller():
    class Net(nn.Module):
        def __init__(self, stride: int) -> None:
            super().__init__()
            self.features = nn.Conv2d(3, 4 + stride, 3, stride=stride)

        def forward(self, x):
            return self.features(x).mean(dim=(2, 3))

    mine, theirs = Net(1), Net(2)
    pairs = hints.pairs_of(["features:features"])
    hinted, loss = hints.attach(mine, theirs, pairs, EXAMPLE, 1.0, lambda *_: torch.zeros(()))
    hinted.train()(EXAMPLE)
    theirs(EXAMPLE)
    assert 0 < loss(EXAMPLE, EXAMPLE, Piece(EXAMPLE)).item() <= 2


def test_the_student_of_a_hinted_net_keeps_its_own_names():
    student = net("resnet8")
    names = list(student.state_dict())
    pairs = [hints.last_layers(student, net("resnet20"), EXAMPLE)]
    hinted, _ = hints.attach(
        student, net("resnet20"), pairs, EXAMPLE, 1.0, losses.cross_entropy(0.0)
    )
    assert list(hinted.student.state_dict()) == names and hinted.student is student


@pytest.mark.parametrize("text", ["layer1", ":layer1", "layer1:", ""])
def test_a_pair_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="names no pair of layers"):
        hints.pairs_of([text])


def test_a_layer_that_is_not_there_is_refused_with_the_nearest():
    student = net("resnet8")
    near = next(name for name, m in student.named_modules() if isinstance(m, nn.Conv2d))
    with pytest.raises(UsageError, match="layer") as caught:
        hints.attach(
            student, net("resnet8"), [hints.Pair(near + "x", near)], EXAMPLE, 1.0, lambda *_: None
        )
    assert near in f"{caught.value.cause} {caught.value.fix}"
