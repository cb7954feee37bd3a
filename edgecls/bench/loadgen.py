"""The same bundle under MLPerf's own load generator, so that our figures can be checked.

LoadGen runs in a process of its own that loads the bundle's runner (`_loadgen`); what it writes is
kept as it is, and its summary is read from there.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgecls import isolated, trust
from edgecls.bench.settings import Protocol
from edgecls.core import Measurement
from edgecls.errors import MissingDependency, RunnerError

SUMMARY = "mlperf_log_summary.txt"
# What a run needs beside its own time: imports, warm-up, and queries that are slower than ours.
PATIENCE_S, PATIENCE = 600.0, 4
_LATENCY = re.compile(r"^(\d+\.\d+) percentile latency \(ns\)\s*:\s*(\d+)\s*$", re.MULTILINE)
_THROUGHPUT = re.compile(
    r"^(?:Samples per second|Completed samples per second|QPS w/o loadgen overhead)\s*:\s*(\S+)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Summary:
    """What LoadGen found. latency_ms: by percentile, of queries, and of samples where offline.

    verdict: its own words on whether the run keeps MLPerf's rules: ``VALID`` or ``INVALID``.
    """

    verdict: str
    latency_ms: dict[int, float]
    throughput_per_s: float | None = None


def check() -> None:
    """Raises MissingDependency where the load generator is not installed."""
    if find_spec("mlperf_loadgen") is None:
        raise MissingDependency("mlcommons-loadgen", "loadgen")


def run(
    bundle: Path, protocol: Protocol, expected_ms: float, logs: Path, trust_code: bool = False
) -> Summary:
    """Measure a bundle by LoadGen, for as long as `protocol` says, in one launch.

    expected_ms: a query's latency, by which LoadGen plans. logs: an empty folder for its files.
    Raises TrustError before anything of the bundle runs, RunnerError where that ends badly.
    """
    trust.check(bundle, trust_code)
    asked = {
        "bundle": str(bundle.resolve()),
        "threads": protocol.threads,
        "scenario": protocol.scenario,
        "queries": protocol.queries,
        "seconds": protocol.seconds,
        "samples": protocol.samples,
        "qps": protocol.qps,
        "seed": protocol.seed,
        "expected_ms": expected_ms,
        "logs": str(logs.resolve()),
    }
    script = Path(__file__).with_name("_loadgen.py")
    command = [sys.executable, *isolated.flags(), "-B", str(script), json.dumps(asked)]
    limit_s = _limit_s(protocol, expected_ms)
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"{bundle} under LoadGen took more than {limit_s:.0f} s") from error
    if done.returncode:
        said = " | ".join(done.stderr.decode(errors="replace").split("\n")[-8:])
        raise RunnerError(f"{bundle} under LoadGen ended with {done.returncode}: {said}")
    try:
        return parsed((logs / SUMMARY).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunnerError(f"LoadGen left no {SUMMARY} in {logs}") from error


def _limit_s(protocol: Protocol, expected_ms: float) -> float:
    """How long LoadGen may take; a server's queries have all come only after queries / qps."""
    query_s = 1 / protocol.qps if protocol.qps is not None else expected_ms / 1e3
    return PATIENCE_S + PATIENCE * max(protocol.seconds, protocol.queries * query_s)


def parsed(text: str) -> Summary:
    """What a summary says. Raises RunnerError where it is none."""
    verdict = re.search(r"^Result is\s*:\s*(\w+)", text, re.MULTILINE)
    latency = {round(float(percent)): int(ns) / 1e6 for percent, ns in _LATENCY.findall(text)}
    if verdict is None or 50 not in latency:
        raise RunnerError(f"LoadGen's summary is not understood: {text[:200]!r}")
    throughput = _THROUGHPUT.search(text)
    return Summary(verdict.group(1), latency, float(throughput.group(1)) if throughput else None)


def beside(row: Measurement, found: Summary) -> str:
    """LoadGen's figures and ours, in one line."""
    ours = {50: row.latency_p50_ms, 90: row.latency_p90_ms, 99: row.latency_p99_ms}
    told = [
        _figure(f"p{percent}", found.latency_ms[percent], ours[percent], " ms")
        for percent in (50, 90, 99)
        if row.scenario != "offline" and percent in found.latency_ms
    ]
    if found.throughput_per_s is not None and row.scenario == "offline":
        told.append(_figure("images/s", found.throughput_per_s, row.throughput_per_s))
    return f"LoadGen: {'; '.join(told)}; {found.verdict}"


def _figure(name: str, theirs: float, ours: float | None, unit: str = "") -> str:
    compared = f", ours {ours:.4g}{unit} ({ours / theirs - 1:+.1%})" if ours else ""
    return f"{name} {theirs:.4g}{unit}{compared}"


def folders(names: Sequence[str], root: Path) -> list[Path]:
    """A folder of `root` for each row's logs; rows of the same name are counted."""
    found: list[Path] = []
    for name in names:
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "row"
        count = sum(1 for each in found if re.fullmatch(re.escape(plain) + r"(-\d+)?", each.name))
        found.append(root / (f"{plain}-{count + 1}" if count else plain))
    return found
