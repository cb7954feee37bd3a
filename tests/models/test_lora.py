"""Adapters learn in the place of the weights, and are gone once they are merged."""

from __future__ import annotations

import sys

import pytest
import torch

from edgecls.errors import MissingDependency, UsageError
from edgecls.models import lora, zoo
from edgecls.models.pretrained import head_of

ARCHS = ["resnet8", "mobilenet_v3_small", "vit_b_32", "swin_t"]


@pytest.mark.parametrize("arch", ARCHS)
def test_merged_adapters_leave_the_plain_net_with_the_same_answers(arch):
    pytest.importorskip("peft")
    torch.manual_seed(0)
    net = zoo.build(arch, 5, 3, (32, 32)).eval()
    torch.nn.init.normal_(net.get_submodule(head_of(net)).weight)  # a ViT's begins at zero
    images = torch.rand(2, 3, 32, 32)
    names = set(net.state_dict())
    plain = net(images).detach()
    adapters = lora.attach(net, 4, 8.0, (3, 32, 32))
    assert torch.allclose(net(images), plain, atol=1e-5)  # they begin at zero
    for name, parameter in net.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted = net.eval()(images).detach()
    assert not torch.allclose(adapted, plain, atol=1e-3 * float(plain.abs().max()))
    adapters.merge()
    assert set(net.state_dict()) == names
    torch.testing.assert_close(net.eval()(images), adapted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_adapter_learns_and_so_does_the_head_alone(arch):
    pytest.importorskip("peft")
    net = zoo.build(arch, 5, 3, (32, 32))
    lora.attach(net, 2, 8.0, (3, 32, 32))
    net(torch.rand(4, 3, 32, 32)).square().sum().backward()
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    assert all(net.get_parameter(name).grad is not None for name in learning)
    head = head_of(net)
    assert {name for name in learning if "lora_" not in name} == {f"{head}.weight", f"{head}.bias"}
    assert any("lora_" in name for name in learning)


def test_a_net_without_a_layer_to_adapt_is_refused():
    pytest.importorskip("peft")
    with pytest.raises(UsageError, match="no layer that LoRA can adapt"):
        lora.attach(zoo.build("rowgru", 5, 1, (32, 32)), 2, 8.0, (1, 32, 32))


def test_without_peft_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependency) as caught:
        lora.attach(zoo.build("resnet8", 5, 1, (32, 32)), 2, 8.0, (1, 32, 32))
    assert "edgecls[lora]" in caught.value.fix
