"""When a row is known well enough to be asked no more.

MLPerf's early stopping: an order statistic bounds the percentile from above with a confidence of
0.99, whatever the latencies' distribution, from 64 queries on for a p90 and from 662 on for a p99
(`edgecls.device.stats`). A row stops where that bound is within `WITHIN` of the percentile itself:
more queries could hardly move what is reported.

The bound takes queries as independent, which those of one process are not. So a row is judged at
the end of a launch, and never before `LEAST_LAUNCHES` of them have told how far launches differ.
"""

from __future__ import annotations

from edgecls.bench.samples import Samples
from edgecls.bench.settings import FIGURES, Protocol
from edgecls.device.stats import MIN_QUERIES, percentile, percentile_upper_bound

WITHIN, LEAST_LAUNCHES = 0.02, 3


def is_known(samples: Samples, protocol: Protocol, launches: int) -> bool:
    """Whether a row can stop after so many launches."""
    percent = FIGURES.get(protocol.scenario)
    if not protocol.early_stop or percent is None or launches < LEAST_LAUNCHES:
        return False
    ordered = sorted(samples.latency_ms)
    if len(ordered) < MIN_QUERIES[percent]:
        return False
    figure = percentile(ordered, percent)
    return percentile_upper_bound(ordered, percent) <= (1 + WITHIN) * figure
