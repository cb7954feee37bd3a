"""The net of the fast recipe: a whitening start, what stays frozen, and an export that agrees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecls import graph
from edgecls.device.golden import max_relative_difference
from edgecls.errors import UsageError
from edgecls.models import airbench, zoo


def images(count: int = 60, channels: int = 3, side: int = 32) -> torch.Tensor:
    """Normalised images, smooth as pictures are: neighbours are alike."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, channels, 8, 8, generator=generator)
    coarse[:, 1:] += coarse[:, :1]  # channels, too
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")


def answers(filters: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """float64[patches, filters]"""
    found = torch.nn.functional.conv2d(batch.double(), filters.double())
    return found.movedim(1, -1).flatten(0, -2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_filters_whiten_patches(channels):
    """After them every direction has variance one, and no two go together."""
    batch = images(channels=channels)
    filters = airbench.whitening_filters(batch, eps=0.0)
    half = 4 * channels
    assert filters.shape == (2 * half, channels, 2, 2) and filters.dtype == batch.dtype
    found = answers(filters[:half], batch)
    assert torch.allclose(found.T @ found / len(found), torch.eye(half).double(), atol=1e-3)
    assert torch.equal(filters[half:], -filters[:half])


def test_eps_holds_back_directions_in_which_there_is_nothing():
    flat = torch.ones(4, 3, 12, 12)
    filters = airbench.whitening_filters(flat, eps=5e-4)
    assert torch.isfinite(filters).all()
    assert filters.abs().max() <= 5e-4**-0.5 + 1e-3


def test_the_filters_are_the_same_for_images_in_any_number_of_parts():
    batch = images(700, channels=1, side=9)
    filters = airbench.whitening_filters(batch)
    found = answers(airbench.whitening_filters(batch, eps=0.0)[:4], batch)
    assert torch.allclose(found.T @ found / len(found), torch.eye(4).double(), atol=1e-3)
    permuted = airbench.whitening_filters(batch.flip(0))
    assert torch.allclose(filters.abs(), permuted.abs(), rtol=1e-3, atol=1e-4)


def test_without_images_it_says_so():
    with pytest.raises(UsageError, match="no images to whiten by"):
        airbench.whitening_filters(torch.empty(0, 3, 32, 32))


@pytest.mark.parametrize("arch", ["airbench94"])
def test_the_first_layer_and_the_scales_of_norms_are_not_trained(arch):
    net = zoo.build(arch, 10, 3, (32, 32))
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    scales = {
        f"{name}.weight" for name, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)
    }
    assert len(scales) == 6
    assert frozen == {"whiten.weight", *scales}
    assert all(
        torch.equal(net.state_dict()[s], torch.ones_like(net.state_dict()[s])) for s in scales
    )


def test_a_fresh_convolution_passes_its_input_through():
    group = airbench.ConvGroup(5, 8, depth=2)
    picture = torch.randn(2, 5, 6, 6)
    assert torch.allclose(group.conv1(picture)[:, :5], picture, atol=1e-6)


def test_the_whitened_start_is_taken_and_stays_frozen():
    net = zoo.build("airbench94", 10, 3, (32, 32))
    torch.nn.init.ones_(net.whiten.bias)
    net.initialise(images())
    assert torch.equal(net.whiten.weight, airbench.whitening_filters(images()))
    assert not net.whiten.weight.requires_grad
    assert net.whiten.bias.requires_grad and not net.whiten.bias.any()


def test_depth_three_has_a_third_convolution_with_a_residual():
    two, three = (airbench.Airbench((8, 8, 8), depth, 4, 3) for depth in (2, 3))
    assert [sum(isinstance(m, torch.nn.Conv2d) for m in n.modules()) for n in (two, three)] == [
        7,
        10,
    ]
    assert three(images(2)).shape == (2, 4)


def test_the_logits_are_scaled_down():
    net = zoo.build("airbench94", 10, 3, (32, 32)).eval()
    batch = images(4)
    with torch.no_grad():
        features = net.pool(net.groups(net.activation(net.whiten(batch)))).flatten(1)
        assert torch.allclose(net(batch), features @ net.head.weight.T / 9, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (8, 32), (2, 2)])
def test_too_small_an_image_is_refused_with_the_size_that_it_takes(size):
    with pytest.raises(
        UsageError, match=f"airbench94 cannot take images of {size[0]}×{size[1]}"
    ) as caught:
        zoo.build("airbench94", 10, 3, size)
    assert ("set data.size to 9" in caught.value.fix) == (max(size) < 9)


def test_nine_pixels_are_enough():
    assert zoo.build("airbench94", 10, 3, (9, 9))(torch.zeros(2, 3, 9, 9)).shape == (2, 10)


@pytest.mark.parametrize(("channels", "size"), [(1, (32, 32)), (3, (20, 26))])
def test_it_is_exported_and_agrees(channels, size, save_net, tmp_path):
    source = graph.CheckpointSource(save_net("airbench94", channels, size), tmp_path / "model.onnx")
    batch = np.random.default_rng(0).integers(0, 256, (5, *size, channels), np.uint8)
    found = graph.run(source.onnx(), batch)
    assert max_relative_difference(found, source.logits(batch)) <= graph.FP32_TOLERANCE
