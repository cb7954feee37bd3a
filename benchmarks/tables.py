"""The README's tables of figures against ``results/``: checked, or written anew.

A table stands between two markers, and names the function here that makes it of one result file:

    <!-- table: NAME -->
    | … |
    <!-- /table -->

    python benchmarks/tables.py [--write] [README]

Without --write the exit status is 1 where a table is not what its results say. A result file is
the last line of the benchmark of that name, as it was seen. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
README = Path(__file__).resolve().parents[1] / "README.md"
MARKED = re.compile(
    r"(?P<open><!-- table: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)", re.S
)
OPENED = re.compile(r"<!-- table: ")


class Wrong(Exception):
    """A README that cannot be checked."""


@dataclass(frozen=True)
class Table:
    """file: in ``results``. rows: of its JSON; the first is the head."""

    file: str
    rows: Callable[[Any], Iterable[Sequence[str]]]


def peers(found: Any) -> Iterable[Sequence[str]]:
    yield ("net", "tool", "top-1", "p50 ms", "p90 ms", "without numpy", "size kB", "tool takes")
    for net in found["nets"]:
        for row in net["rows"]:
            yield (net["net"], *_measured(row), f"{row['wall_s']:.0f} s")


def whole_job(found: Any) -> Iterable[Sequence[str]]:
    yield ("row", "top-1", "p50 ms", "p90 ms", "without numpy", "size kB", "the job took")
    for row in found["job"]["rows"]:
        yield (*_measured(row), f"{row['wall_s'] / 60:.0f} min")


def _measured(row: Any) -> Sequence[str]:
    name = f"**{row['row']}**" if row["ours"] else row["row"]
    top1, bare = f"{100 * row['top1']:.2f} %", row.get("bare_p50_ms")
    latency = (f"{row['p50_ms']:.3f}", f"{row['p90_ms']:.3f}")
    return (name, top1, *latency, f"{bare:.3f}" if bare else "", _kb(row["size_bytes"]))


def fidelity(found: Any) -> Iterable[Sequence[str]]:
    yield ("net", "beside", "ours ms", "theirs ms", "difference", "bound")
    for net in found["nets"]:
        for name in ("benchmark_app", "loadgen"):
            each = net[name]
            times = (f"{each['ours_ms']:.4f}", f"{each['theirs_ms']:.4f}")
            bounds = (f"{1e3 * each['difference_ms']:+.1f} µs", f"{1e3 * each['bound_ms']:.1f} µs")
            yield (net["net"].split("@")[0], name, *times, *bounds)


def cost(found: Any) -> Iterable[Sequence[str]]:
    yield ("step", "of", "takes", "peak memory")
    for command, seconds in found["startup_s"].items():
        yield (f"`edgecls {command}`", "", f"{seconds:.2f} s", "")
    for row in found["rows"]:
        of = row.get("net") or f"{row['images']:,} images"
        yield (row["step"], of, f"{row['seconds']:.1f} s", f"{row['peak_bytes'] / 1e6:,.0f} MB")


def nets(found: Any) -> Iterable[Sequence[str]]:
    yield ("recipe", "parameters", "MACs", "top-1 on test", "95 % interval")
    for name, each in found.items():
        if isinstance(each, dict) and "top1" in each:
            interval = f"{100 * each['top1_low']:.1f}–{100 * each['top1_high']:.1f}"
            size = (f"{each['num_params']:,}", f"{each['macs'] / 1e6:.1f} M")
            yield (f"`{name}`", *size, f"{100 * each['top1']:.2f} %", interval)


def int8(found: Any) -> Iterable[Sequence[str]]:
    ways = ("default", "remedies", "climb", "qat")
    drops = {(row["net"], row["target"], row["way"]): row["drop"] for row in found["rows"]}
    present = [way for way in ways if any(key[2] == way for key in drops)]
    yield ("net", "target", "fp32", *(f"{way}: points lost" for way in present))
    fp32 = {(row["net"], row["target"]): row["fp32_top1"] for row in found["rows"]}
    for (net, target), top1 in fp32.items():
        lost = [drops.get((net, target, way)) for way in present]
        told = ("" if drop is None else f"{drop:.2f}" for drop in lost)
        yield (net, f"`{target}`", f"{top1:.2f} %", *told)


def throughput(found: Any) -> Iterable[Sequence[str]]:
    yield ("net", "`edgecls train`", "fp32", "plain loop", "ImageFolder, two workers")
    for name, each in found.items():
        if isinstance(each, dict) and "auto_images_per_s" in each:
            ways = ("auto", "fp32", "plain", "folder")
            yield (name, *(f"{each[f'{way}_images_per_s']:,} images/s" for way in ways))


def _kb(size_bytes: int) -> str:
    return f"{size_bytes / 1e3:,.0f}"


TABLES = {
    "cost": Table("cost", cost),
    "fidelity": Table("fidelity", fidelity),
    "int8": Table("int8-ptq", int8),
    "nets": Table("nets", nets),
    "peers": Table("peers", peers),
    "throughput": Table("throughput", throughput),
    "whole-job": Table("whole-job", whole_job),
}


def made(name: str, results: Path) -> str:
    """The table of that name in Markdown. Raises Wrong."""
    if name not in TABLES:
        raise Wrong(f"no table is called {name!r}; valid: {', '.join(TABLES)}")
    table = TABLES[name]
    path = results / f"{table.file}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Wrong(f"table {name}: {path} is missing; run the benchmark and keep it") from None
    head, *rows = [tuple(row) for row in table.rows(found)]
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(text: str, results: Path) -> tuple[str, list[str]]:
    """`text` with every table as its results say, and the names of all. Raises Wrong."""
    names = [found["name"] for found in MARKED.finditer(text)]
    if len(names) != len(OPENED.findall(text)):
        raise Wrong(
            "a table is not closed by <!-- /table -->, or its marker is not on its own line"
        )

    def anew(found: re.Match[str]) -> str:
        return found["open"] + made(found["name"], results) + found["close"]

    return MARKED.sub(anew, text), names


def differing(text: str, results: Path) -> list[str]:
    """The names of the tables that are not what their results say. Raises Wrong."""
    wrong = []
    written(text, results)  # raises for what cannot be checked
    for found in MARKED.finditer(text):
        if found["body"] != made(found["name"], results):
            wrong.append(found["name"])
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readme", nargs="?", type=Path, default=README)
    parser.add_argument("--write", action="store_true", help="write the tables anew")
    given = parser.parse_args()
    text = given.readme.read_text(encoding="utf-8")
    try:
        fresh, names = written(text, RESULTS)
        wrong = differing(text, RESULTS)
    except Wrong as error:
        sys.exit(str(error))
    if given.write:
        given.readme.write_text(fresh, encoding="utf-8")
    print(json.dumps({"tables": names, "differ": wrong, "written": given.write}))
    sys.exit(1 if wrong and not given.write else 0)


if __name__ == "__main__":
    main()
