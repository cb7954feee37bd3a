"""Which places of a net int8 gets."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.models.quantized import trace
from edgecls.models.quantized.fake import FakeQuantize
from edgecls.models.quantized.layers import QuantizedConv2d

SHAPE = (3, 32, 32)


def _prepared(net: nn.Module, shape: tuple[int, int, int] = SHAPE) -> fx.GraphModule:
    return trace.prepared(net, shape, reduce_range=False)


def _steps(net: fx.GraphModule, kind: str) -> list[str]:
    """What reads the answer of every convolution, by class."""
    found = []
    for node in net.graph.nodes:
        if node.op == "call_module" and type(net.get_submodule(node.target)).__name__ == kind:
            found += [type(net.get_submodule(str(user.target))).__name__ for user in node.users]
    return found


def test_a_resnet_is_rounded_behind_every_convolution_and_addition() -> None:
    net = _prepared(zoo.build("resnet8", 10, 3, (32, 32)))
    assert set(_steps(net, "QuantizedConv2d")) == {"FakeQuantize"}
    # 9 convolutions, 3 additions, the image, and the pooled features.
    assert len(list(trace.fakes(net))) == 14
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.children())
    assert all(m.norm is not None for m in net.modules() if isinstance(m, QuantizedConv2d))
    # Every ReLU has gone into the rounding behind it.
    assert sum(fake.clamp == "relu" for fake in trace.fakes(net)) == 7
    assert not any(node.target is torch.relu for node in net.graph.nodes)


def test_the_logits_stay_in_float() -> None:
    for arch in ("resnet8", "airbench94"):
        net = _prepared(zoo.build(arch, 10, 3, (32, 32)))
        last = next(n for n in net.graph.nodes if n.op == "output").args[0]
        assert last.op != "call_module" or "fakes" not in last.target


@pytest.mark.parametrize(
    "arch",
    ["lenet5", "resnet20", "airbench96", "rowgru", "mobilenet_v2_32", "mobilenet_v3_small_32",
     "shufflenet_v2_x0_5", "squeezenet1_1", "regnet_y_400mf", "resnet18"],
)  # fmt: skip
def test_what_is_rounded_with_fine_steps_is_the_net(arch: str) -> None:
    torch.manual_seed(0)
    net = zoo.build(arch, 10, 3, (32, 32)).eval()
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected = net(x)
        prepared = _prepared(net).eval()
        for fake in trace.fakes(prepared):
            fake.watching = True  # lets values through
        for module in prepared.modules():
            if hasattr(module, "limit"):
                module.limit = (1 << 23) - 1
        assert torch.allclose(prepared(x), expected, rtol=1e-2, atol=1e-3 * float(expected.std()))


def test_values_that_are_only_moved_are_rounded_once() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.5)
            self.head = nn.Linear(4 * 15 * 15, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.pool(torch.relu(self.conv(x)))
            return self.head(self.drop(torch.flatten(x, 1)))  # type: ignore[no-any-return]

    net = _prepared(Net())
    assert [fake.clamp for fake in trace.fakes(net)] == ["none", "relu"]
    assert isinstance(net.get_submodule("drop"), nn.Dropout)


def test_what_writes_over_its_input_is_made_to_leave_it() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 3, 1), nn.SiLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            y += x
            return self.act(y).mean((2, 3))  # type: ignore[no-any-return]

    net = _prepared(Net()).train()
    net(torch.randn(2, *SHAPE)).sum().backward()
    assert all(fake.step.grad is not None for fake in trace.fakes(net))


def test_a_shared_layer_and_one_in_reflection_padding_keep_their_answers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice = nn.Conv2d(3, 3, 1)
            self.once = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")

        def forward(self, x: Tensor) -> Tensor:
            return self.once(self.twice(self.twice(x))).mean((2, 3))  # type: ignore[no-any-return]

    net = _prepared(Net())
    assert isinstance(net.get_submodule("twice"), nn.Conv2d)
    assert isinstance(net.get_submodule("once"), QuantizedConv2d)
    assert net(torch.randn(2, *SHAPE)).shape == (2, 3)


def test_a_net_whose_path_depends_on_its_values_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = x.mean((2, 3))
            return self.head(x if x.sum() > 0 else -x)  # type: ignore[no-any-return]

    with pytest.raises(UsageError, match="cannot be followed"):
        _prepared(Net())


def test_a_net_without_products_is_refused() -> None:
    with pytest.raises(UsageError, match="no layer"):
        _prepared(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def test_the_points_name_layers_and_roundings() -> None:
    net = _prepared(zoo.build("lenet5", 10, 3, (32, 32)))
    names = trace.points(net)
    assert "features.0" in names
    assert sum(name.startswith("fakes.") for name in names) == len(list(trace.fakes(net)))
    assert all(isinstance(net.get_submodule(n), FakeQuantize) for n in names if "fakes" in n)
