"""The search ends as near under the limit as the steps allow, and measures seldom."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.train.pruning import goals, groups
from edgecls.train.pruning.choosing import Ranking, rank
from edgecls.train.pruning.cutting import cut
from edgecls.train.pruning.goals import MEASUREMENTS, Goal


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return zoo.build("resnet8", 10, 1, (32, 32)).eval()


def ranked(net: torch.nn.Module) -> Ranking:
    found = groups.find(net, (1, 32, 32))
    torch.manual_seed(1)
    worth = [torch.rand(group.size, dtype=torch.float64) for group in found]
    return rank(found, worth, "global", True, [2] * len(found), 0.9)


@pytest.mark.parametrize("kind", ["macs", "params", "size"])
@pytest.mark.parametrize("ratio", [1.4, 3.0])
def test_the_limit_is_held_and_no_step_could_be_given_back(net, kind, ratio):
    ranking, whole = ranked(net), goals.price(net, (1, 32, 32), kind)
    priced = goals.counted(net, (1, 32, 32), ranking, kind)
    goal = Goal(kind, whole / ratio, "option")
    choice = goals.search(ranking, goal, priced, whole)
    assert priced(choice) <= goal.limit
    assert all(priced(back) > goal.limit for back in ranking.given_back(choice))


def test_what_is_counted_is_what_the_cut_net_has(net):
    import copy

    ranking = ranked(net)
    for kind in ("macs", "params", "size"):
        priced = goals.counted(net, (1, 32, 32), ranking, kind)
        cut_net = copy.deepcopy(net)
        cut(cut_net, ranking.drops(ranking.choice(0.4)))
        assert priced(ranking.choice(0.4)) == goals.price(cut_net, (1, 32, 32), kind)


def test_a_limit_out_of_reach_says_how_far_it_goes(net):
    whole = goals.price(net, (1, 32, 32), "macs")
    priced = goals.counted(net, (1, 32, 32), ranked(net), "macs")
    with pytest.raises(UsageError, match=r"only to \d+\.\d\d×") as caught:
        goals.search(ranked(net), Goal("macs", whole / 1000, "macs_ratio"), priced, whole)
    assert "macs_ratio" in caught.value.fix


@pytest.mark.parametrize("limit", [0.4, 0.5, 0.7, 0.9])
def test_a_noisy_latency_is_hit_from_below_with_few_measurements(net, limit):
    ranking = ranked(net)
    counted = goals.counted(net, (1, 32, 32), ranking, "macs")
    whole = goals.price(net, (1, 32, 32), "macs")
    noise, asked = torch.Generator().manual_seed(3), []

    def measured(choice):
        asked.append(choice)
        wobble = 1 + 0.005 * float(torch.randn(1, generator=noise))
        return (0.2 + 0.8 * counted(choice) / whole) * wobble

    choice = goals.search_measured(ranking, Goal("latency", limit, "latency_ratio"), measured, 1.0)
    assert 0.9 * limit <= 0.2 + 0.8 * counted(choice) / whole <= limit
    assert len(asked) == len(set(asked)) <= 1.5 * MEASUREMENTS
