"""From raw samples to the latency fields of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from edgecls import hardware
from edgecls.bench import intervals, medians, slowed
from edgecls.bench.conditions import summary as conditions
from edgecls.bench.doubts import flags, mean_load
from edgecls.bench.paired import with_latency_p_values
from edgecls.bench.samples import PHASES, Samples
from edgecls.bench.settings import Protocol
from edgecls.core import Measurement, Status
from edgecls.device import stats
from edgecls.device.measure import summary


def measured(
    rows: Sequence[Measurement], samples: Sequence[Samples], protocol: Protocol
) -> list[Measurement]:
    """Rows that were measured together, with all that was found, and compared with each other."""
    found = [with_latency(row, each, protocol) for row, each in zip(rows, samples, strict=True)]
    return with_latency_p_values(found, samples)


def with_latency(row: Measurement, samples: Samples, protocol: Protocol) -> Measurement:
    """`row` with what was measured of it; where it fell out, with the reason."""
    if samples.error:
        status: Status = "skipped" if samples.skipped else "failed"
        return row.with_(measured=status, reason=samples.error, fix=samples.fix)
    found = summary(samples.latency_ms)
    p50 = found["latency_p50_ms"]
    low, high = intervals.of_p50(p50, medians.of_rounds(samples), protocol.seed) or (None, None)
    fixed = samples.about.get("batch", 1)
    batch = fixed if isinstance(fixed, int) else 1
    environment = _environment(samples)
    return row.with_(
        measured="ok",
        scenario=protocol.scenario,
        qps=protocol.qps,
        latency_p50_ms=p50,
        latency_p50_low=low,
        latency_p50_high=high,
        latency_p90_ms=found["latency_p90_ms"],
        latency_p99_ms=found["latency_p99_ms"],
        latency_p90_ms_bound=found["latency_p90_ms_bound"],
        latency_p99_ms_bound=found["latency_p99_ms_bound"],
        num_queries=found["num_queries"],
        throughput_per_s=_throughput(samples, protocol, batch),
        **_phases(samples),
        first_inference_ms=median(samples.first_inference_ms),
        load_ms=median(samples.load_ms),
        rss_bytes=samples.rss_bytes,
        memory_bytes=samples.memory_bytes or None,
        energy_mj=_energy_mj(samples.energy),
        flags=flags(samples, environment, protocol.qps),
        threads=protocol.threads,
        batch_size=batch,
        environment=environment,
        protocol=_protocol(samples, protocol, batch),
    )


def _throughput(samples: Samples, protocol: Protocol, batch: int) -> float:
    """Images a second: of the time that queries took, or of a server the time that passed."""
    images = (samples.samples_per_query or batch) * len(samples.latency_ms)
    if protocol.scenario == "server":
        return images / sum(samples.seconds)
    return 1e3 * images / sum(samples.latency_ms)


def _phases(samples: Samples) -> dict[str, float | None]:
    """The median of each phase; None for a phase that its host has not.

    Without a phase ``decode`` of its own, an older harness counts decoding as preprocessing.
    """
    found = {}
    for name, kept in PHASES.items():
        values = sorted(getattr(samples, kept))
        is_mixed = name == "preprocess" and "decode" in samples.absent
        found[f"{name}_p50_ms"] = stats.percentile(values, 50) if values and not is_mixed else None
    return found


def _energy_mj(told: Sequence[Mapping[str, Any]]) -> float | None:
    """Millijoules a query, over the rounds that told it."""
    told = [each for each in told if each]
    queries = sum(each["queries"] for each in told)
    return 1e3 * sum(float(each["joules"]) for each in told) / queries if queries else None


def _environment(samples: Samples) -> dict[str, Any]:
    """What stands beside the figures: the host, the runtime, and how the host was doing."""
    told = {**(samples.environment or hardware.environment()), **samples.about}
    if not samples.suspends:
        told["suspended"] = "no: it could not be stopped while others were measured"
    load = mean_load(samples.load)
    if load:
        told["load"] = {name: round(value, 4) for name, value in load.items()}
    left = len(slowed.places(samples))
    if left or samples.num_repeated:
        told["slowed_rounds"] = {"asked_again": samples.num_repeated, "left": left}
    sources = sorted({str(each.get("source")) for each in samples.energy if each})
    if sources:
        told["energy_source"] = ", ".join(sources)
    return {**told, **conditions(samples.conditions)}


def _protocol(samples: Samples, protocol: Protocol, batch: int) -> dict[str, Any]:
    """As it was asked; of a row that stopped early also where, and the mode that it amounts to."""
    told = {**protocol.to_json(), "samples_per_query": samples.samples_per_query or batch}
    if not samples.stopped_after:
        return told
    done = replace(protocol, seconds=sum(samples.seconds), queries=len(samples.latency_ms))
    stopped = {"asked_mode": protocol.mode, "stopped_after_launches": samples.stopped_after}
    return {**told, "mode": done.mode, **stopped}
