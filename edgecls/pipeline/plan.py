"""The plan of a run, told before it begins: nets and reasons, stages, estimated minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecls.bench.settings import Protocol
from edgecls.core import Workload
from edgecls.pipeline.choice import Choice
from edgecls.pipeline.nets import Net
from edgecls.recipe import Recipe

# Measured on two cores for small nets; the trainings are estimated on the machine itself.
SECONDS_A_GRAPH, SECONDS_A_BUNDLE, SECONDS_A_START = 6.0, 2.5, 1.5


@dataclass(frozen=True)
class Plan:
    """reasons: a sentence a decision. lines: the whole plan as it is shown."""

    reasons: tuple[str, ...]
    minutes: float
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {"reasons": list(self.reasons), "minutes": round(self.minutes, 2)}


def draw_up(
    recipe: Recipe,
    choice: Choice,
    nets: Sequence[Net],
    work: Workload,
    bundles: int,
    finished: Mapping[str, bool],
) -> Plan:
    """The plan. finished: model -> whether the store has it; bundles: how many will be made."""
    seconds = 0.0
    lines = [f"edgecls run {recipe.name}: {recipe.data.path}, {work.num_classes} classes"]
    lines += [f"  · {reason}" for reason in choice.reasons]
    lines.append("stages:")
    archs: dict[str, str] = {}
    for net in nets:
        parents = {option: archs[parent] for option, parent in net.parents.items()}
        archs[net.name] = net.method.arch(parents, net.options)
        needs = f" from {', '.join(net.parents.values())}" if net.parents else ""
        title = f"  {net.name}: {net.method.name} {archs[net.name]}{needs}"
        if finished[net.name]:
            lines.append(f"{title} (done already)")
            continue
        needed = net.method.plan(parents, net.options, work)
        seconds += needed
        lines.append(f"{title}, about {_duration(needed)}")
    if not all(finished.values()):
        seconds += SECONDS_A_GRAPH * len(nets) + SECONDS_A_BUNDLE * bundles
    protocol = Protocol.of(recipe.bench)
    measuring = (protocol.launches * SECONDS_A_START + protocol.seconds) * bundles
    lines.append(
        f"  {bundles} bundles: converted, verified, measured, about {_duration(measuring)}"
    )
    total = (seconds + measuring) / 60
    if all(finished.values()):
        lines.append("what is done already is used again")
    else:
        lines.append(f"about {_duration(seconds + measuring)} in all")
    return Plan(choice.reasons, total, tuple(lines))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.1f} hours"
