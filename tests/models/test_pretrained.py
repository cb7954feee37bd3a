"""Pretrained tensors fit other classes, sizes and channels, and answer as before where they can."""

from __future__ import annotations

import json
import re

import pytest
import torch
from torch import nn

from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError
from edgecls.models import pretrained, vision, zoo
from edgecls.models.weights import CENTRED, IMAGENET, Weights

RGB = Preprocess((64, 64), mean=IMAGENET[0], std=IMAGENET[1])
GRAY = Preprocess((64, 64), mode="L", mean=(0.5,), std=(0.25,))


def of(net: nn.Module, normalisation=IMAGENET) -> Weights:
    return Weights(net.state_dict(), normalisation, "a file")


def randomised(net: nn.Module) -> nn.Module:
    """Statistics too, which a fresh net has at zero and one."""
    for name, buffer in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return net.eval()


def test_a_net_for_other_classes_keeps_everything_but_the_head():
    before = randomised(zoo.build("resnet18", 1000, 3, (64, 64)))
    net = zoo.build("resnet18", 4, 3, (64, 64))
    head = net.fc.weight.detach().clone()
    account = pretrained.load(net, of(before), RGB)
    state = net.state_dict()
    for name, tensor in before.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(state[name], tensor)
    assert torch.equal(state["fc.weight"], head)
    assert account.fresh == ("fc.weight", "fc.bias")
    assert account.missing == account.unexpected == account.adapted == ()
    assert len(account.loaded) == len(state) - 2
    assert "120 tensors from a file; fresh: fc.weight, fc.bias" in account.sentence()


def test_the_same_classes_keep_the_head_too():
    before = zoo.build("lenet5", 4, 1, (20, 20)).eval()
    net = zoo.build("lenet5", 4, 1, (20, 20))
    pretrained.load(net, of(before, ((0.5,), (0.25,))), GRAY)
    images = torch.rand(2, 1, 20, 20)
    assert torch.equal(net.eval()(images), before(images))


@pytest.mark.parametrize("arch", ["convnext_tiny", "inception_v3", "vit_b_32"])
@pytest.mark.parametrize("source", [IMAGENET, CENTRED])
def test_a_gray_image_gets_the_answer_of_three_equal_channels(arch, source):
    """Exact for nets whose first convolution is not padded; its bias or its norm is shifted."""
    size = (96, 96)
    before = randomised(zoo.build(arch, 5, 3, size))
    net = zoo.build(arch, 5, 1, size)
    account = pretrained.load(net, of(before, source), GRAY)
    gray = torch.rand(2, 1, *size)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in source)
    with torch.inference_mode():
        expected = before((gray.expand(-1, 3, -1, -1) - mean) / std)
        found = net.eval()((gray - 0.5) / 0.25)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.std()) + 1e-5)
    assert len(account.adapted) >= 1


def test_other_normalisation_in_colour_is_rewritten_into_the_first_layer():
    before = randomised(zoo.build("inception_v3", 5, 3, (96, 96)))
    net = zoo.build("inception_v3", 5, 3, (96, 96))
    account = pretrained.load(net, of(before, CENTRED), RGB)
    image = torch.rand(2, 3, 96, 96)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in IMAGENET)
    with torch.inference_mode():
        expected, found = before((image - 0.5) / 0.5), net.eval()((image - mean) / std)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert account.adapted == ("Conv2d_1a_3x3.conv.weight", "Conv2d_1a_3x3.bn.running_mean")


def test_gray_weights_look_at_the_mean_of_the_colours():
    before = zoo.build("convnext_tiny", 3, 1, (32, 32)).eval()
    net = zoo.build("convnext_tiny", 3, 3, (32, 32))
    pretrained.load(net, of(before, ((0.5,), (0.25,))), RGB)
    image = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in IMAGENET)
    with torch.inference_mode():
        expected = before((image.mean(1, keepdim=True) - 0.5) / 0.25)
        found = net.eval()((image - mean) / std)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_transformer_for_another_size_gets_its_positions_interpolated():
    before = zoo.build("vit_b_32", 5, 3, (224, 224))
    net = zoo.build("vit_b_32", 5, 3, (96, 96))
    account = pretrained.load(net, of(before), RGB)
    assert "encoder.pos_embedding" in account.adapted and not account.fresh
    old, new = before.encoder.pos_embedding, net.encoder.pos_embedding
    assert torch.equal(new[:, 0], old[:, 0])
    assert new.shape == (1, 10, 768)


def test_interpolated_positions_keep_their_places():
    rows = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 4, 1).reshape(1, 16, 1)
    found = pretrained.interpolated(torch.cat([torch.full((1, 1, 1), 9.0), rows], 1), 1 + 64)
    assert found[0, 0, 0] == 9
    grid = found[0, 1:, 0].view(8, 8)
    assert torch.allclose(grid, grid[:, :1].expand(8, 8), atol=1e-5)  # rows stay rows
    assert bool((grid[1:, 0] >= grid[:-1, 0] - 0.1).all()) and grid[-1, 0] > 2.8


def test_positions_that_are_no_square_grid_are_left_alone():
    odd = torch.rand(1, 12, 4)
    assert pretrained.interpolated(odd, 17) is odd


def test_a_smaller_nets_weights_are_refused():
    net = zoo.build("resnet34", 4, 3, (64, 64))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(EdgeclsError, match=r"does not fit .* only 100 of its 180") as caught:
        pretrained.load(net, of(zoo.build("resnet18", 4, 3, (64, 64))), RGB)
    assert "it lacks layer1.2.conv1.weight" in caught.value.cause
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


def test_another_familys_weights_are_refused():
    with pytest.raises(EdgeclsError, match="only 0 of its"):
        pretrained.load(
            zoo.build("resnet8", 4, 3, (32, 32)), of(zoo.build("lenet5", 4, 3, (32, 32))), RGB
        )


def test_auxiliary_heads_in_the_file_are_told_and_not_needed():
    before = zoo.build("googlenet", 4, 3, (64, 64)).state_dict()
    before["aux1.fc2.bias"] = torch.zeros(4)
    net = zoo.build("googlenet", 4, 3, (64, 64))
    account = pretrained.load(net, Weights(before, IMAGENET, "a file"), RGB)
    assert account.unexpected == ("aux1.fc2.bias",)
    assert "unexpected: aux1.fc2.bias" in account.sentence()


@pytest.mark.parametrize(
    ("arch", "pattern", "old"),
    [
        ("densenet121", r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2."),
        ("vit_b_32", r"mlp\.0\.", "mlp.linear_1."),
        ("vit_b_32", r"mlp\.3\.", "mlp.linear_2."),
    ],
)
def test_the_names_in_torchvisions_older_files_are_known(arch, pattern, old):
    before = zoo.build(arch, 4, 3, (64, 64)).state_dict()
    renamed = {re.sub(pattern, old, name): tensor for name, tensor in before.items()}
    assert set(renamed) != set(before)
    account = pretrained.load(
        zoo.build(arch, 4, 3, (64, 64)), Weights(renamed, IMAGENET, "old"), RGB
    )
    assert account.missing == account.unexpected == account.adapted == ()
    assert len(account.loaded) == len(before)


@pytest.mark.parametrize("arch", ["resnet18", "swin_t"])
def test_what_is_only_counted_or_computed_may_be_missing(arch):
    """torchvision's files from before torch 0.4.1 have no num_batches_tracked."""
    computed = ("num_batches_tracked", "relative_position_index")
    before = zoo.build(arch, 4, 3, (64, 64)).state_dict()
    kept = {name: t for name, t in before.items() if not name.endswith(computed)}
    assert len(kept) < 0.95 * len(before)
    account = pretrained.load(zoo.build(arch, 4, 3, (64, 64)), Weights(kept, IMAGENET, "old"), RGB)
    assert account.missing == () and len(account.loaded) == len(kept)


def test_the_account_is_kept_whole(tmp_path):
    account = pretrained.Loaded("f", ("a",), (), ("b", "c", "d", "e"), (), ())
    account.write(tmp_path)
    kept = json.loads((tmp_path / pretrained.ACCOUNT).read_text())
    assert kept["source"] == "f" and kept["fresh"] == ["b", "c", "d", "e"]
    assert account.sentence() == "1 tensors from f; fresh: b, c, d and 1 more"


@pytest.mark.parametrize("arch", ["resnet8", "mobilenet_v3_small", "densenet121", "vit_b_32"])
def test_the_head_gives_the_logits(arch):
    net = zoo.build(arch, 7, 3, (32, 32))
    assert net.get_submodule(pretrained.head_of(net)).out_features == 7


@pytest.mark.parametrize("arch", ["mobilenet_v2_32", "mobilenet_v3_small_32"])
def test_a_variant_takes_the_tensors_of_its_origin(arch):
    before = zoo.build(vision.origin(arch), 4, 3, (32, 32))
    account = pretrained.load(zoo.build(arch, 4, 3, (32, 32)), of(before), RGB)
    assert len(account.loaded) == len(before.state_dict())
