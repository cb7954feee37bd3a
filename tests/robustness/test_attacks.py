"""Attacks stay in their ball and among pictures, and lower the accuracy of a trained net."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError
from edgecls.models import checkpoint
from edgecls.models.normalise import Deployable
from edgecls.robustness.attacks import Attack, attacked


@pytest.fixture(scope="module")
def net(tiny_data):
    """A small net that has learned the tiny digits: they are told apart without an attack."""
    torch.manual_seed(0)
    core = nn.Sequential(
        nn.Conv2d(1, 12, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 36, 10),
    )
    whole = Deployable(core, tiny_data.preprocess)
    images, classes = (torch.from_numpy(np.array(part)) for part in tiny_data["train"])
    optimizer = torch.optim.Adam(whole.parameters(), 2e-3)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(whole(images), classes).backward()
        optimizer.step()
    return whole.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def batch(tiny_data):
    images, classes = tiny_data["train"]
    return np.array(images), np.array(classes)


def accuracy(net, images, classes):
    return float((net(torch.from_numpy(images)).argmax(1).numpy() == classes).mean())


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
@pytest.mark.parametrize("eps", [1, 3, 16])
def test_an_attack_stays_in_its_ball_and_gives_pictures(net, batch, name, eps):
    images, classes = batch
    found = attacked(net, images, classes, Attack(name, eps, 5))
    assert found.dtype == np.uint8 and found.shape == images.shape
    distance = np.abs(found.astype(int) - images)
    assert distance.max() == eps
    assert (attacked(net, images, classes, Attack(name, eps, 5)) == found).all()


def test_pgd_is_stronger_than_fgsm_and_both_grow_with_the_ball(net, batch):
    images, classes = batch
    clean = accuracy(net, images, classes)
    assert clean > 0.9
    fgsm, pgd = (
        [
            accuracy(net, attacked(net, images, classes, Attack(name, eps, 10)), classes)
            for eps in (4, 16, 32)
        ]
        for name in ("fgsm", "pgd")
    )
    assert clean >= fgsm[0] >= fgsm[1] >= fgsm[2] and fgsm[2] < clean - 0.2
    assert all(strong <= weak for strong, weak in zip(pgd, fgsm, strict=True))
    assert pgd[2] < fgsm[2]


def test_the_gradient_reaches_the_image_through_the_normalisation():
    """A net that sees one pixel alone is attacked there, in the direction that its mean asks."""

    class OnePixel(nn.Module):
        def forward(self, x):
            seen = x[:, 0, 2, 3]
            return torch.stack([seen, -seen], 1)

    whole = Deployable(OnePixel(), Preprocess((4, 4), mode="L", mean=(0.5,), std=(0.25,)))
    images = np.full((2, 4, 4, 1), 130, np.uint8)
    found = attacked(whole, images, np.array([0, 0]), Attack("fgsm", 5))
    changed = found.astype(int) - images
    assert changed[:, 2, 3, 0].tolist() == [-5, -5]
    assert np.abs(changed).sum() == 10
    assert whole(torch.from_numpy(found)).argmax(1).tolist() == [1, 1]


def test_an_image_that_errs_already_is_left_as_it_is(net, batch):
    images, classes = batch
    wrong = (classes + 1) % 10
    for name in ("fgsm", "pgd"):
        assert (attacked(net, images, wrong, Attack(name, 8, 3)) == images).mean() > 0.95


def test_sharper_logits_are_no_protection(net, batch):
    """Ten thousand times as sharp a net has a softmax without a gradient, and is as weak."""

    class Sharper(nn.Module):
        def forward(self, x):
            return net(x) * 1e4

    images, classes = batch
    for name in ("fgsm", "pgd"):
        attack = Attack(name, 16, 5)
        plain = accuracy(net, attacked(net, images, classes, attack), classes)
        sharp = accuracy(net, attacked(Sharper(), images, classes, attack), classes)
        assert sharp <= plain + 0.05


def test_a_net_without_a_gradient_is_told(batch):
    class Rounded(nn.Module):
        def forward(self, x):
            flat = x.flatten(1).round()
            return torch.stack([flat.sum(1), flat.sum(1) * 0 - 1], 1)

    images, _ = batch
    with pytest.raises(EdgeclsError, match="no gradient"):
        attacked(Rounded(), images, np.zeros(len(images), np.int64), Attack("fgsm", 4))


def test_a_checkpoint_can_be_attacked_as_it_ships(tiny_checkpoint, batch):
    found = checkpoint.load(tiny_checkpoint)
    whole = Deployable(checkpoint.module(found), found.preprocess).eval().requires_grad_(False)
    images, classes = batch[0][:8], batch[1][:8]
    changed = attacked(whole, images, classes, Attack("pgd", 8, 3))
    assert np.abs(changed.astype(int) - images).max() <= 8


def test_steps_are_whole_and_cross_the_ball():
    assert Attack("fgsm", 8).step == 8
    assert Attack("pgd", 8, 10).step == 2
    assert Attack("pgd", 1, 100).step == 1
    assert Attack("pgd", 2, 7).label == "pgd-2"
