"""The list of architectures: what a pattern means, what a row says, in which order."""

from __future__ import annotations

import sys

import pytest

from edgecls.errors import MissingDependency, UsageError
from edgecls.models import catalog, zoo


def test_without_a_pattern_it_is_every_net():
    assert catalog.matching(None, False) == zoo.names()


@pytest.mark.parametrize(
    ("pattern", "some", "none"),
    [
        ("mobilenet", {"mobilenet_v2", "mobilenet_v3_small_32"}, "resnet18"),
        ("resnet*", {"resnet8", "resnet152"}, "wide_resnet50_2"),
        ("vgg1?", {"vgg11", "vgg19"}, "vgg11_bn"),
    ],
)
def test_a_pattern_is_a_part_or_a_glob(pattern, some, none):
    found = set(catalog.matching(pattern, False))
    assert some <= found and none not in found


def test_an_unknown_pattern_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="unknown net: 'mobilnet_v2'") as caught:
        catalog.matching("mobilnet_v2", False)
    assert "did you mean 'mobilenet_v2'" in caught.value.fix


def test_timm_is_asked_for_by_its_prefix_or_the_flag():
    pytest.importorskip("timm")
    assert set(catalog.matching("timm/resnet1?", False)) >= {"timm/resnet18"}
    both = catalog.matching("resnet18", True)
    assert {"resnet18", "timm/resnet18"} <= set(both)
    assert {"resnet18", "timm/resnet18"} <= set(catalog.matching("resnet1?", True))


def test_a_near_name_of_timm_is_told_without_all_the_others():
    pytest.importorskip("timm")
    with pytest.raises(UsageError, match="unknown net") as caught:
        catalog.matching("timm/resnett18", False)
    assert "'timm/resnet18'" in caught.value.fix and "in all" in caught.value.fix
    assert len(caught.value.fix) < 500


def test_all_of_timm_at_once_is_refused():
    with pytest.raises(UsageError, match="more than a thousand nets"):
        catalog.matching(None, True)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependency):
        catalog.matching("timm/resnet18", False)


def test_rows_are_our_own_first_then_by_family_and_cost():
    archs = ["vgg13", "resnet34", "alexnet", "resnet18", "resnet8", "lenet5", "vgg11"]
    found = [row.arch for row in catalog.rows(archs, 64, 3, 10)]
    assert found == ["lenet5", "resnet8", "alexnet", "resnet18", "resnet34", "vgg11", "vgg13"]


def test_a_row_says_what_the_net_costs_or_why_it_cannot():
    fits, refused = catalog.rows(["alexnet", "resnet8"], 32, 1, 10)
    assert (fits.arch, fits.family, fits.problem) == ("resnet8", "edgecls", "")
    assert (fits.macs, fits.num_params) == zoo.price("resnet8", 10, 1, (32, 32))
    assert refused.macs is refused.num_params is None
    assert "32×32" in refused.problem and "set data.size to 63" in refused.problem
