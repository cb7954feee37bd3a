"""How far to cut: a price, its limit, and the search for the cut that comes closest under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from edgecls.errors import UsageError
from edgecls.models import cost
from edgecls.models.weightless import without_weights
from edgecls.train.pruning.choosing import Choice, Ranking
from edgecls.train.pruning.cutting import cut

Kind = Literal["macs", "params", "size", "latency"]
Price = Callable[[Choice], float]
TITLES = {
    "macs": "multiply-accumulates",
    "params": "parameters",
    "size": "bytes of fp32 weights",
    "latency": "of the uncut net's latency",
}
# A bisection of the share ends at a channel of a net with so many.
BISECTIONS = 14
# Measured latencies: how many at most, and the window, as shares of the limit, that is aimed at.
MEASUREMENTS, LOWEST, HIGHEST = 12, 0.95, 0.99
# Groups that are tried for a step back, once no more of the net's share can be given back.
STEPS_BACK = 48


@dataclass(frozen=True)
class Goal:
    """A price and what it may be at most. option: what the user set, for messages."""

    kind: Kind
    limit: float
    option: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "limit": self.limit, "option": self.option}


def price(net: nn.Module, shape: tuple[int, int, int], kind: Kind) -> float:
    """MACs, parameters, or bytes of the weights' tensors; what is measured is not known here."""
    if kind == "macs":
        return cost.count(net, shape)[0]
    if kind == "params":
        return cost.num_params(net)
    return float(sum(t.numel() * t.element_size() for t in net.state_dict().values()))


def counted(net: nn.Module, shape: tuple[int, int, int], ranking: Ranking, kind: Kind) -> Price:
    """The price of a choice, without weights; `net` is left alone.

    A layer is used as often in a cut net as in the whole one, so its MACs follow from its weights.
    """
    known: dict[Choice, float] = {}
    used = _uses(net, shape) if kind == "macs" else {}
    rest = price(net, shape, kind) - _weighted(net, used) if kind == "macs" else 0.0

    def priced(choice: Choice) -> float:
        if choice not in known:
            shell = without_weights(net)
            cut(shell, ranking.drops(choice))
            counts = kind == "macs"
            known[choice] = rest + _weighted(shell, used) if counts else price(shell, shape, kind)
        return known[choice]

    return priced


def _uses(net: nn.Module, shape: tuple[int, int, int]) -> dict[str, int]:
    """Layer -> how often each of its weights is multiplied for one image."""
    shell, used = without_weights(net), dict[str, int]()

    def counter(name: str, channels: int) -> Callable[[nn.Module, Any, Any], None]:
        def count(module: nn.Module, inputs: Any, output: Any) -> None:
            used[name] = used.get(name, 0) + output.numel() // channels

        return count

    for name, layer in shell.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(counter(name, layer.weight.shape[0]))
    cost.pass_through(shell, shape)
    return used


def _weighted(net: nn.Module, used: Mapping[str, int]) -> float:
    weights = {name: net.get_parameter(f"{name}.weight") for name in used}
    return float(sum(times * weights[name].numel() for name, times in used.items()))


def search(ranking: Ranking, goal: Goal, priced: Price, whole: float) -> Choice:
    """The choice of the highest price that is at most the limit. Raises UsageError for none.

    The share is bisected; then steps are given back, the most missed first, as long as it holds.
    whole: the price of the uncut net.
    """
    low, high = 0.0, 1.0
    best = ranking.most()
    check_reach(goal, priced(best), whole)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        choice = ranking.choice(middle)
        if priced(choice) <= goal.limit:
            high, best = middle, choice
        else:
            low = middle
    refused: set[int] = set()
    for _ in range(STEPS_BACK):
        for back in ranking.given_back(best):
            index = next(i for i, (a, b) in enumerate(zip(back, best, strict=True)) if a != b)
            if index in refused:
                continue
            if priced(back) <= goal.limit:
                best = back
                break
            refused.add(index)  # what is dearer stays too dear
        else:
            break
    return best


def search_measured(ranking: Ranking, goal: Goal, priced: Price, whole: float) -> Choice:
    """The same where every price is a measurement: few of them, and a window instead of a limit.

    A measured price between `LOWEST` and `HIGHEST` of the limit is taken as soon as it is seen:
    the next measurement of the same net is a little other.
    """
    seen: dict[Choice, float] = {}

    def fits(choice: Choice) -> bool:
        seen[choice] = priced(choice)
        return LOWEST * goal.limit <= seen[choice] <= HIGHEST * goal.limit

    deepest = ranking.most()
    if fits(deepest):
        return deepest
    check_reach(goal, seen[deepest], whole)
    low, high = 0.0, 1.0
    middle = (LOWEST + HIGHEST) / 2 * goal.limit
    while len(seen) < MEASUREMENTS and high - low > 2**-BISECTIONS:
        share = (low + high) / 2
        choice = ranking.choice(share)
        if choice not in seen and fits(choice):
            return choice
        low, high = (low, share) if seen.get(choice, whole) <= middle else (share, high)
    best = _closest(seen, goal.limit)
    for back in ranking.given_back(best):
        if len(seen) >= MEASUREMENTS + MEASUREMENTS // 2:
            break
        if back not in seen and fits(back):
            return back
    return _closest(seen, goal.limit)


def _closest(seen: dict[Choice, float], limit: float) -> Choice:
    """The dearest of those that hold the limit safely, else that hold it at all."""
    safe = {choice: value for choice, value in seen.items() if value <= HIGHEST * limit}
    return max(safe or seen, key=lambda c: seen[c] if seen[c] <= limit else -seen[c])


def check_reach(goal: Goal, deepest: float, whole: float) -> None:
    """Raises UsageError where even the deepest cut is too dear."""
    if deepest <= goal.limit:
        return
    ratio = whole / deepest
    asked = whole / goal.limit
    figure = f"{deepest:.2f}" if goal.kind == "latency" else f"{deepest:,.0f}"
    raise UsageError(
        f"the net cannot be cut to {asked:.4g}× fewer {TITLES[goal.kind]}, only to {ratio:.2f}×"
        f" ({figure})",
        f"ask for less with {goal.option}, lower round_to, raise max_layer_ratio, or protect fewer"
        " layers (protect_stem = false frees the first one)",
    )
