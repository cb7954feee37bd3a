"""Sparse learning draws the weak channels of a group to zero, all that hangs on them alike."""

from __future__ import annotations

import torch

from edgecls.models import zoo
from edgecls.train.pruning import groups
from edgecls.train.pruning.ranking import scores
from edgecls.train.pruning.sparse import GroupSparsity


def test_the_weakest_channel_is_drawn_sixteen_times_as_hard_as_the_strongest(tiny_data):
    torch.manual_seed(0)
    net = zoo.build("resnet8", 10, 1, (32, 32))
    found = [g for g in groups.find(net, (1, 32, 32)) if g.name == "body.0.conv1"]
    hook = GroupSparsity(found, reg=0.01)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    hook.begin_epoch(net, 1, 1)
    hook.after_backward(net)
    block = net.body[0]
    pulls = (block.conv1.weight.grad / block.conv1.weight / 0.01).detach()[:, 0, 0, 0]
    (worth,) = scores(net, found, "group-norm", tiny_data, 0)
    torch.testing.assert_close(pulls[worth.argmin()], torch.tensor(16.0))
    torch.testing.assert_close(pulls[worth.argmax()], torch.tensor(1.0))
    readers = (block.conv2.weight.grad / block.conv2.weight / 0.01).detach()[0, :, 0, 0]
    torch.testing.assert_close(readers, pulls)
    assert not net.head.weight.grad.any() and not block.conv2.bias


def test_equal_channels_are_drawn_alike_and_nothing_becomes_nan():
    net = zoo.build("lenet5", 10, 1, (32, 32))
    for parameter in net.parameters():
        torch.nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    found = groups.find(net, (1, 32, 32))
    hook = GroupSparsity(found, reg=0.5)
    hook.begin_epoch(net, 1, 1)
    hook.after_backward(net)
    grad = net.classifier[0].weight.grad
    assert torch.equal(grad, torch.full_like(grad, grad.flatten()[0])) and grad.isfinite().all()
