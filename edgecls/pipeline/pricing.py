"""What a checkpoint costs on a target: converted as it would ship, and measured beside another.

Methods that aim at a latency get this as their context's ``cost``. The two bundles are measured in
interleaved rounds, as the rows of a run are, so that a drift of the machine meets both alike.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from edgecls import hardware, targets
from edgecls.bench import medians
from edgecls.bench.protocol import Protocol, measure
from edgecls.core import Cost, Latency, Precision
from edgecls.device import stats
from edgecls.errors import EdgeclsError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline.package import package
from edgecls.recipe import BenchSection
from edgecls.remote.local import here


def pricer(section: BenchSection, work: Path) -> Cost:
    """Measures by the recipe's protocol. work: keeps the bundle that others stand beside."""
    protocol = Protocol.of(section)

    def cost(checkpoint: Path, beside: Path, target: str, precision: str) -> Latency:
        with tempfile.TemporaryDirectory(dir=work, prefix="priced-") as scratch:
            bundle = _bundle(checkpoint, target, precision, Path(scratch))
            bundles = [bundle, _kept(beside, target, precision, work)]
            found = measure(here(bundles), protocol)
        for samples in found:
            if samples.error:
                raise EdgeclsError(
                    f"the latency on {target} cannot be measured: {samples.error}", samples.fix
                )
        ms, beside_ms = (stats.percentile(sorted(each.latency_ms), 50) for each in found)
        return Latency(ms, beside_ms, medians.ratio(*map(medians.of_rounds, found)))

    return cost


def _kept(checkpoint: Path, target: str, precision: str, work: Path) -> Path:
    """The bundle of a checkpoint that many are measured beside, made once."""
    digest = checkpoints.load(checkpoint).weights_sha256[:16]
    out = work / f"beside-{target}-{precision}-{digest}"
    if not out.exists():
        with tempfile.TemporaryDirectory(dir=work, prefix="priced-") as scratch:
            _bundle(checkpoint, target, precision, Path(scratch)).rename(out)
    return out


def _bundle(checkpoint: Path, target: str, precision: str, scratch: Path) -> Path:
    out = scratch / "bundle"
    out.mkdir()
    source = CheckpointSource(checkpoint, scratch / "graph.onnx")
    package(checkpoint.name, source, targets.get(target), _precision(precision), out)
    (scratch / "graph.onnx").unlink(missing_ok=True)
    return out


def _precision(name: str) -> Precision:
    valid: tuple[Precision, ...] = get_args(Precision)
    return next(each for each in valid if each == name)


def aims(options: Any) -> bool:
    """Whether a method's options aim at a measured latency; most have no such options."""
    goals = ("latency_ratio", "latency_ms")
    return any(getattr(options, name, None) is not None for name in goals)


def inputs(options: Any, section: BenchSection) -> dict[str, Any]:
    """What a net depends on, beside its options, where it aims at a measured latency."""
    if not aims(options):
        return {}
    target = targets.get(options.latency_target)
    measured = {"bench": section.model_dump(), "hardware": asdict(hardware.here())}
    versions = hardware.versions(target.packages)
    return {"priced": {**measured, "target": [target.name, target.version], "versions": versions}}


def check(options: Any) -> None:
    """Raises UsageError where options aim at a latency on a target that cannot be measured here."""
    if not aims(options):
        return
    target = targets.get(options.latency_target)
    if options.latency_precision not in target.precisions:
        raise UsageError(
            f"{target.name} has no {options.latency_precision}",
            f"set latency_precision to one of: {', '.join(target.precisions)}",
        )
    available = target.availability()
    for step in (available.convert, available.run):
        if step.status != "ok":
            raise UsageError(
                f"latency_target {target.name} cannot be measured here: {step.reason}",
                step.fix or "choose a target that runs here, see: edgecls targets",
            )
