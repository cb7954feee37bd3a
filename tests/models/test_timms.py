"""timm's nets by ``timm/NAME``; without timm, how to get it."""

from __future__ import annotations

import sys

import pytest
import torch

from edgecls.errors import MissingDependency, UsageError
from edgecls.models import zoo


@pytest.mark.parametrize(
    ("arch", "size"), [("timm/mobilenetv3_small_050", 32), ("timm/vit_tiny_patch16_224", 64)]
)
def test_a_net_of_timm_fits_the_data(arch, size):
    pytest.importorskip("timm")
    net = zoo.build(arch, 3, 1, (size, size))
    assert net(torch.zeros(2, 1, size, size)).shape == (2, 3)
    assert zoo.family(arch).startswith("timm/")


def test_a_net_with_tables_that_are_no_buffers_has_its_price():
    pytest.importorskip("timm")
    macs, _ = zoo.price("timm/vit_base_mci_224", 3, 3, (224, 224))
    assert macs > 1e10


def test_dropout_and_stochastic_depth_are_given_to_timm():
    timm = pytest.importorskip("timm")
    net = zoo.build("timm/convnext_atto", 3, 3, (32, 32), dropout=0.3, stochastic_depth=0.2)
    paths = [m.drop_prob for m in net.modules() if isinstance(m, timm.layers.DropPath)]
    assert max(paths) == pytest.approx(0.2)
    assert 0.3 in [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)]


def test_what_a_net_of_timm_does_not_take_is_refused():
    pytest.importorskip("timm")
    with pytest.raises(UsageError, match="timm/densenet121 does not take these arguments"):
        zoo.build("timm/densenet121", 3, 3, (32, 32), stochastic_depth=0.2)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependency) as caught:
        zoo.build("timm/resnet18", 3, 3, (32, 32))
    assert "edgecls[timm]" in caught.value.fix
