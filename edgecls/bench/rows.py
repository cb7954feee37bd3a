"""From raw samples to the latency fields of a row."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from edgecls import hardware
from edgecls.bench.protocol import Protocol, Samples
from edgecls.core import Measurement
from edgecls.device import stats
from edgecls.device.measure import summary


def with_latency(row: Measurement, samples: Samples, protocol: Protocol) -> Measurement:
    """`row` with what was measured of it; ``failed`` with the reason where it fell out."""
    if samples.error:
        return row.with_(measured="failed", reason=samples.error, fix=samples.fix)
    found = summary(samples.latency_ms)
    return row.with_(
        measured="ok",
        latency_p50_ms=found["latency_p50_ms"],
        latency_p90_ms=found["latency_p90_ms"],
        latency_p99_ms=found["latency_p99_ms"],
        latency_p90_ms_bound=found["latency_p90_ms_bound"],
        latency_p99_ms_bound=found["latency_p99_ms_bound"],
        num_queries=found["num_queries"],
        throughput_per_s=found["throughput_per_s"],
        preprocess_p50_ms=_p50(samples.preprocess_ms),
        end_to_end_p50_ms=_p50(samples.end_to_end_ms),
        first_inference_ms=median(samples.first_inference_ms),
        load_ms=median(samples.load_ms),
        rss_bytes=samples.rss_bytes,
        threads=protocol.threads,
        batch_size=1,
        environment={**hardware.environment(), **samples.about},
        protocol=protocol.to_json(),
    )


def _p50(values: Sequence[float]) -> float:
    return stats.percentile(sorted(values), 50)
