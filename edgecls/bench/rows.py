"""From raw samples to the latency fields of a row."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from edgecls import hardware
from edgecls.bench.conditions import summary as conditions
from edgecls.bench.protocol import Protocol, Samples
from edgecls.core import Measurement, Status
from edgecls.device import stats
from edgecls.device.measure import summary


def with_latency(row: Measurement, samples: Samples, protocol: Protocol) -> Measurement:
    """`row` with what was measured of it; where it fell out, with the reason."""
    if samples.error:
        status: Status = "skipped" if samples.skipped else "failed"
        return row.with_(measured=status, reason=samples.error, fix=samples.fix)
    found = summary(samples.latency_ms)
    fixed = samples.about.get("batch", 1)
    batch = fixed if isinstance(fixed, int) else 1
    return row.with_(
        measured="ok",
        latency_p50_ms=found["latency_p50_ms"],
        latency_p90_ms=found["latency_p90_ms"],
        latency_p99_ms=found["latency_p99_ms"],
        latency_p90_ms_bound=found["latency_p90_ms_bound"],
        latency_p99_ms_bound=found["latency_p99_ms_bound"],
        num_queries=found["num_queries"],
        throughput_per_s=batch * found["throughput_per_s"],
        preprocess_p50_ms=_p50(samples.preprocess_ms),
        end_to_end_p50_ms=_p50(samples.end_to_end_ms),
        first_inference_ms=median(samples.first_inference_ms),
        load_ms=median(samples.load_ms),
        rss_bytes=samples.rss_bytes,
        threads=protocol.threads,
        batch_size=batch,
        environment=_environment(samples),
        protocol=protocol.to_json(),
    )


def _environment(samples: Samples) -> dict[str, Any]:
    """What stands beside the figures: the host, the runtime, and how the host was doing."""
    told = {**(samples.environment or hardware.environment()), **samples.about}
    if not samples.suspends:
        told["suspended"] = "no: it could not be stopped while others were measured"
    return {**told, **conditions(samples.conditions)}


def _p50(values: Sequence[float]) -> float | None:
    """None for a phase that its host has not."""
    return stats.percentile(sorted(values), 50) if values else None
