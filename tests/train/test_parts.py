"""Groups cover a net from the stem to the head; parts say which learns how fast, and from when."""

from __future__ import annotations

import pytest
from torch import nn

from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.train.parts import MOST_GROUPS, Part, frozen_groups, groups, plan

THREE = [("stem.weight",), ("block.weight", "block.bias"), ("head.weight",)]
HEADS = {
    "lenet5": "classifier.4",
    "resnet8": "head",
    "airbench94": "head",
    "rowgru": "head",
    "resnet18": "fc",
    "resnet152": "fc",
    "vgg11": "classifier.6",
    "vit_b_32": "heads.head",
    "swin_t": "head",
    "convnext_tiny": "classifier.2",
    "densenet121": "classifier",
    "mobilenet_v3_small": "classifier.3",
    "squeezenet1_1": "classifier.1",
    "regnet_y_400mf": "fc",
    "googlenet": "fc",
}


@pytest.mark.parametrize("arch", HEADS)
def test_every_parameter_is_in_one_group_and_the_last_is_the_head(arch):
    net = zoo.build(arch, 3, 3, (64, 64))
    found = groups(net)
    names = [name for group in found for name in group]
    assert sorted(names) == sorted(name for name, _ in net.named_parameters())
    assert 2 <= len(found) <= MOST_GROUPS and all(found)
    assert {name.rpartition(".")[0] for name in found[-1]} == {HEADS[arch]}


def test_a_resnets_groups_are_its_blocks_with_their_norms():
    found = groups(zoo.build("resnet18", 3, 3, (64, 64)))
    assert found[0] == ("conv1.weight", "bn1.weight", "bn1.bias")
    assert len(found) == 10
    blocks = [{name[:8] for name in group} for group in found[1:-1]]
    assert blocks == [{f"layer{i}.{j}"} for i in (1, 2, 3, 4) for j in (0, 1)]


def test_a_class_token_goes_with_the_first_layer():
    assert groups(zoo.build("vit_b_32", 3, 3, (32, 32)))[0] == (
        "class_token",
        "conv_proj.weight",
        "conv_proj.bias",
    )


def test_many_blocks_are_joined_evenly_and_in_order():
    net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(34)))
    found = groups(net)
    assert [len(group) for group in found] == [3] * 11 + [1]
    assert [name for group in found for name in group] == [f"{i}.weight" for i in range(34)]


def test_without_wishes_all_learn_alike_from_the_start():
    assert plan(THREE) == [Part(names) for names in THREE]


def test_a_lower_group_learns_slower_and_later():
    assert plan(THREE, unfreeze_every=2, layer_decay=0.5) == [
        Part(THREE[0], 0.25, 5),
        Part(THREE[1], 0.5, 3),
        Part(THREE[2], 1.0, 1),
    ]


def test_frozen_groups_never_learn_whatever_else_is_asked():
    found = plan(THREE, freeze=1, unfreeze_every=1)
    assert [part.from_epoch for part in found] == [0, 2, 1]


@pytest.mark.parametrize(("option", "count"), [("none", 0), ("backbone", 2), ("1", 1), ("0", 0)])
def test_what_is_frozen_is_said_in_words_or_a_number(option, count):
    assert frozen_groups(option, THREE) == count


def test_to_freeze_the_head_too_is_refused():
    with pytest.raises(UsageError, match="freeze is 3, and the net has 3 groups") as caught:
        plan(THREE, freeze=3)
    assert "freeze 2 at most" in caught.value.fix
