"""Int8 of a captured net: what is rounded, by which range, and that remedies do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgecls.core import Remedies, Scheme
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError
from edgecls.models.normalise import Deployable
from edgecls.quantize.program import bias, capture, equalise, nodes, placing, ptq, trained, watch

SHAPE = (1, 8, 8, 3)
MOBILE = Scheme("int8", symmetric_activations=False)
IMAGES = np.random.default_rng(0).integers(0, 256, (24, *SHAPE[1:]), dtype=np.uint8)


class Net(nn.Module):
    """A stem, a shortcut, a branch that is joined, pooling by the maximum and by the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu_()
        x = torch.relu(x + self.body(x))
        x = torch.max_pool2d(x, 2)
        x = torch.cat([self.left(x), self.right(x)], 1)
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


@pytest.fixture(scope="module")
def net() -> Deployable:
    torch.manual_seed(0)
    made = Deployable(Net(), Preprocess((8, 8), mean=(0.5,) * 3, std=(0.25,) * 3))
    with torch.no_grad():
        for _ in range(3):
            made.train()(torch.from_numpy(IMAGES))
    return made.eval()


@pytest.fixture(scope="module")
def graph(net):
    return capture.captured(net, SHAPE)


def logits(net) -> np.ndarray:
    with torch.no_grad():
        return net(torch.from_numpy(IMAGES)).numpy()


def kinds(graph) -> list[str]:
    return [
        str(node.target).split(".")[-2] for node in graph.graph.nodes if "." in str(node.target)
    ]


def test_a_captured_net_answers_as_before_and_has_no_batchnorm(net, graph):
    assert max_relative_difference(watch.logits(graph, IMAGES), logits(net)) <= 1e-5
    assert not any("batch_norm" in kind for kind in kinds(graph))
    assert net.net.stem[1].running_mean.abs().sum() > 0  # the net keeps its own


def test_layers_are_named_as_the_diagnosis_names_them(net, graph, tmp_path):
    import onnx

    from edgecls.graph import export
    from edgecls.quantize import layers

    export(net, Preprocess((8, 8), mean=(0.5,) * 3, std=(0.25,) * 3), tmp_path / "model.onnx")
    found = set(nodes.layers(graph))
    assert {"stem.0", "body", "left", "right", "head"} < found
    assert found == set(layers.named(onnx.load(tmp_path / "model.onnx")))


def test_every_layer_stands_between_a_dq_and_a_q(graph, net):
    made = ptq.quantized(net, SHAPE, MOBILE, IMAGES, Remedies())
    names = set(nodes.layers(graph).values())
    for node in made.graph.nodes:
        if node.name in {each.name for each in names}:
            given = node.args[0] if isinstance(node.args[0], (list, tuple)) else [node.args[0]]
            assert all("dequantize_per_tensor" in str(each.target) for each in given)
            (reader,) = nodes.end(node).users
            assert "quantize_per_tensor" in str(reader.target)


def test_what_is_joined_or_moved_has_one_range(graph):
    plan = placing.plan(graph)
    named = {node.name: node for node in graph.graph.nodes}
    (joined,) = (name for name in plan.values if "cat" in name)
    inputs = [each.name for each in named[joined].args[0]]
    assert len({plan.values[name] for name in (joined, *inputs)}) == 1
    (pooled,) = (name for name in plan.values if "max_pool" in name)
    assert plan.values[pooled] == plan.values[named[pooled].args[0].name]
    assert plan.values[pooled] != plan.values[joined]


@pytest.mark.parametrize("ranges", ["minmax", "mean", "percentile", "entropy", "histogram"])
def test_int8_answers_much_like_the_net(net, ranges):
    made = ptq.quantized(net, SHAPE, MOBILE, IMAGES, Remedies(ranges=ranges))
    found = watch.logits(made, IMAGES)
    assert 0 < max_relative_difference(found, logits(net)) < 1.0


def test_symmetric_activations_have_their_zero_at_zero(net):
    scheme = Scheme("int8", symmetric_activations=True)
    made = ptq.quantized(net, SHAPE, scheme, IMAGES, Remedies())
    zeros = {node.args[2] for node in made.graph.nodes if "quantize_per_tensor" in str(node.target)}
    assert zeros == {0}


def test_the_logits_are_never_cut(net):
    made = ptq.quantized(net, SHAPE, MOBILE, IMAGES, Remedies(ranges="percentile", percentile=60))
    last = nodes.output(made).args[0]
    _, step, zero, low, high, _ = last.args
    whole = logits(net)
    assert step * (low - zero) <= whole.min() + step and step * (high - zero) >= whole.max() - step


@pytest.mark.parametrize("name", ["stem.0", "head", "left"])
def test_a_layer_in_float_keeps_its_weights(net, name):
    made = ptq.quantized(net, SHAPE, MOBILE, IMAGES, Remedies(float_layers=(name,)))
    weights = [node for node in made.graph.nodes if "per_channel" in str(node.target)]
    assert len(weights) == 4
    assert not any(name.replace(".", "_") in str(node.args[0]) for node in weights)


@pytest.mark.parametrize("how", ["fast", "full"])
def test_bias_correction_takes_the_mean_error_out(net, graph, how):
    def shift(remedies):
        made = ptq.quantized(net, SHAPE, MOBILE, IMAGES, remedies)
        return np.abs(watch.logits(made, IMAGES).mean(0) - logits(net).mean(0)).max()

    before = net.net.head.bias.clone()
    # So narrow a range that every layer's mean moves.
    rough = Remedies(ranges="percentile", percentile=90)
    better = Remedies(ranges="percentile", percentile=90, bias_correction=how)
    assert shift(better) < (0.5 if how == "full" else 1.0) * shift(rough)
    assert torch.equal(before, net.net.head.bias)


def test_shifts_are_of_the_layers_that_are_int8(graph):
    plan = placing.plan(graph)
    grids = dict.fromkeys(plan.values, placing.Grid(0.05, 0))
    made = placing.quantized(graph, plan, grids, placing.weights(graph, plan, 127))
    found = bias.shifts(graph, made, IMAGES, "fast", 8)
    assert {len(shift) for shift in found.values()} == {8, 4, 6, 5}
    assert len(found) == 5


class Chain(nn.Module):
    """Three convolutions whose channels differ a thousandfold."""

    def __init__(self, clamp: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 6, 3), clamp, nn.Conv2d(6, 6, 3, groups=6), clamp, nn.Conv2d(6, 5, 4))
        )
        with torch.no_grad():
            self.layers[0].weight *= torch.logspace(-3, 0, 6).view(-1, 1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).flatten(1)


@pytest.mark.parametrize("clamp", [nn.ReLU(), nn.ReLU6()])
def test_equalisation_evens_out_channels_and_keeps_the_answers(clamp):
    torch.manual_seed(0)
    net = Deployable(Chain(clamp), Preprocess((8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)).eval()
    graph = capture.captured(net, SHAPE)
    assert equalise.equalise(graph, IMAGES, 8) == 2
    assert max_relative_difference(watch.logits(graph, IMAGES), logits(net)) <= 1e-3
    first = next(nodes.weighted(graph))
    tops = nodes.tensor(graph, first.args[1]).flatten(1).abs().amax(1)
    assert tops.max() / tops.min() < 100
    assert net.net.layers[0].weight.flatten(1).abs().amax(1).min() < 0.01  # the net keeps its own


def test_two_quantizations_are_the_same_graph(net):
    remedies = Remedies(ranges="histogram", bias_correction="full", equalise=True)
    first, second = (ptq.quantized(net, SHAPE, MOBILE, IMAGES, remedies) for _ in range(2))
    assert str(first.graph) == str(second.graph)
    for (name, one), (_, other) in zip(first.named_buffers(), second.named_buffers(), strict=True):
        assert torch.equal(one, other), name


def test_a_net_with_nothing_to_quantize_is_refused(net):
    names = tuple(nodes.layers(capture.captured(net, SHAPE)))
    with pytest.raises(ConversionError, match="nothing to do"):
        ptq.quantized(net, SHAPE, MOBILE, IMAGES, Remedies(float_layers=names))


def test_a_net_that_cannot_be_followed_is_refused():
    class Wild(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.float() if image.sum() > 3 else image.float() * 2

    with pytest.raises(ConversionError, match="PyTorch cannot export this net") as caught:
        capture.captured(Wild(), SHAPE)
    assert caught.value.fix


def test_a_trained_net_answers_as_it_was_trained_to(int8_source, tiny_data):
    net = int8_source.quantized_module(MOBILE)
    shape = int8_source.preprocess.input_shape
    calibration = np.asarray(tiny_data["calibration"][0])
    made = trained.quantized(net, shape, MOBILE, calibration)
    images = np.asarray(tiny_data["test"][0])
    found, expected = watch.logits(made, images), int8_source.logits(images)
    # What is new are the logits' own steps.
    assert agreement(found, expected) >= 0.98
    assert np.median(np.abs(found - expected)) < 0.05 * expected.std()
    pairs = [node for node in made.graph.nodes if "quantize_per_tensor" in str(node.target)]
    assert sum(node.args[2] != 0 for node in pairs) == 2  # the logits' Q and DQ alone


def test_its_joined_features_need_one_range():
    from edgecls.models.quantized import integers, trace

    torch.manual_seed(0)
    prepared = trace.prepared(Net().eval(), (3, 8, 8), reduce_range=False)
    steps = [fake.step for fake in trace.fakes(prepared)]
    with torch.no_grad():
        for number, step in enumerate(steps):
            step.fill_(0.01 * (number + 1))
    net = Deployable(prepared, Preprocess((8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)).eval()
    with pytest.raises(ConversionError, match="ranges of their own") as caught:
        trained.quantized(integers.with_integers(net), SHAPE, MOBILE, IMAGES)
    assert "trained from" in caught.value.fix
