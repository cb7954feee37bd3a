"""The net with integers, which is exported, answers as the net that was trained."""

from __future__ import annotations

import torch
from torch import nn

from edgecls.models.quantized import trace
from edgecls.models.quantized.integers import with_integers


class _Net(nn.Module):
    """A shortcut, a ReLU6, and a BatchNorm with negative factors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.head((self.second(x) + x).mean((2, 3)))  # type: ignore[no-any-return]


def _trained(reduce_range: bool) -> nn.Module:
    torch.manual_seed(0)
    net = _Net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    net(torch.randn(64, 3, 8, 8))
    prepared = trace.prepared(net, (3, 8, 8), reduce_range)
    for fake in trace.fakes(prepared):
        fake.watching = True
    with torch.no_grad():
        prepared.eval()(torch.randn(64, 3, 8, 8))
    for fake in trace.fakes(prepared):
        fake.settle()
    return prepared


def test_integers_answer_as_the_trained_net() -> None:
    net = _trained(reduce_range=False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        x = torch.randn(16, 3, 8, 8)
        expected, answer = net(x), with_integers(net)(x)
    # A value between two integers may go either way.
    close = (answer - expected).abs() < 1e-3 * expected.std()
    assert float(close.float().mean()) > 0.8
    assert float((answer - expected).abs().max()) < 0.1 * float(expected.std())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_reduced_weights_keep_to_7_bits() -> None:
    for reduce_range, most in ((True, 64), (False, 127)):
        found = dict(with_integers(_trained(reduce_range)).named_buffers())
        integers = [t for name, t in found.items() if name.endswith("integers")]
        assert len(integers) == 3
        assert {int(t.abs().max()) for t in integers} == {most}
        assert all(t.dtype == torch.int8 for t in integers)
