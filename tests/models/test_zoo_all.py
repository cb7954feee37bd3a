"""Every net of the zoo takes the sizes that it should, in colour and in grayscale."""

from __future__ import annotations

import pytest
import torch
import torchvision

from edgecls.errors import UsageError
from edgecls.models import cost, vision, zoo

# What their strides, windows or patches ask for.
SMALLEST = {"alexnet": 63, "inception_v3": 75, "maxvit_t": 224, "vit_h_14": 42}
FAMILIES = {zoo.family(arch): arch for arch in reversed(zoo.names())}


def smallest_of(family: str) -> str:
    archs = [arch for arch in zoo.names() if zoo.family(arch) == family]
    return min(archs, key=lambda arch: zoo.price(arch, 3, 3, (224, 224))[0])


@pytest.mark.parametrize("arch", zoo.names())
def test_every_net_takes_small_images_in_grayscale(arch):
    size = SMALLEST.get(arch, 32)
    macs, params = zoo.price(arch, 5, 1, (size, size))
    assert macs > 0 and params > 0


@pytest.mark.parametrize("arch", [arch for arch in vision.names() if vision.origin(arch) == arch])
def test_macs_and_parameters_are_those_that_torchvision_publishes(arch):
    for weights in torchvision.models.get_model_weights(arch):
        (side,) = weights.transforms().crop_size
        macs, params = zoo.price(arch, 1000, 3, (side, side))
        assert round(macs / 1e9, 3) == weights.meta["_ops"]
        # Theirs may have been counted with the auxiliary heads.
        assert params == weights.meta["num_params"] or arch in ("googlenet", "inception_v3")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_smallest_net_of_every_family_answers_as_its_price_says(family):
    arch = smallest_of(family)
    size = SMALLEST.get(arch, 32)
    net = zoo.build(arch, 5, 1, (size, size))
    assert cost.count(net, (1, size, size)) == zoo.price(arch, 5, 1, (size, size))
    with torch.inference_mode():
        logits = net.eval()(torch.rand(2, 1, size, size))
    assert logits.shape == (2, 5) and bool(logits.isfinite().all())


@pytest.mark.parametrize("arch", ["maxvit_t", "inception_v3"])
def test_the_error_for_a_small_image_names_a_size_that_works(arch):
    with pytest.raises(UsageError) as caught:
        zoo.build(arch, 5, 3, (64, 64))
    larger = int(caught.value.fix.split("data.size to ")[1].split(",")[0])
    assert 64 < larger <= SMALLEST[arch]
    zoo.price(arch, 5, 3, (larger, larger))
