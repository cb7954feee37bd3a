"""``--bench``: the phases and the memory of a bundle, for a person at the device.

The inference is measured in the scenario that is asked for, the other phases in single stream.
"""

import argparse
from typing import Any, Dict

from .measure import summary
from .scenarios import PHASES, SAMPLES, Round
from .serve import Server
from .stats import MIN_QUERIES, percentile

# Of each phase beside the inference.
QUERIES, WARMUP = MIN_QUERIES[90], 5
# Of the inference, where nothing else is asked.
SECONDS = 2.0


def bench(server: Server, args: argparse.Namespace) -> Dict[str, Any]:
    """Percentiles of the inference with their bounds, images a second, and all the rest."""
    answer = server.round(_asked(args))
    others = {phase + "_p50_ms": _median_ms(server, phase) for phase in PHASES[1:]}
    memory = server.do_memory({})  # before the samples are sorted, which is not the model's doing
    size = answer["samples_per_query"]
    samples = answer.pop("samples_ms")
    result: Dict[str, Any] = {"ok": True, "scenario": args.scenario, **summary(samples), **answer}
    result["throughput_per_s"] = size * len(samples) / answer["seconds"]
    result.update({**others, **server.do_hello({}), **memory})
    if "rss_bytes" in result and "baseline_rss_bytes" in result:
        result["memory_bytes"] = result["rss_bytes"] - result["baseline_rss_bytes"]
    return result


def _median_ms(server: Server, phase: str) -> float:
    answer = server.round(Round(phase, queries=QUERIES, warmup=WARMUP))
    return percentile(sorted(answer["samples_ms"]), 50)


def _asked(args: argparse.Namespace) -> Round:
    """A round of the scenario; where a query is a lot of images, few of them are enough."""
    lots = args.scenario == "offline"
    queries = args.queries or (1 if lots else MIN_QUERIES[99])
    return Round(
        scenario=args.scenario,
        queries=queries,
        seconds=SECONDS if args.seconds is None else args.seconds,
        warmup=1 if lots else max(20, queries // 10),
        settle=True,
        samples=args.samples or SAMPLES.get(args.scenario),
        qps=args.qps or 0.0,
    )
