"""``edgecls bench``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from edgecls.bench.settings import LAUNCHES, ROUNDS, Mode, Protocol, Scenario, least
from edgecls.cli import paths
from edgecls.cli.bundles import COUNT, FOLDER, trusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecls.core import Measurement

LOCAL = "local"
IMAGES = 500
OUT_HELP = (
    "Write the rows as JSON lines to this file, and every latency and answer to files/ beside it:"
    " `edgecls compare` tests them."
)


@click.command()
@click.argument("bundles", type=FOLDER, nargs=-1, required=True)
@click.option("--threads", type=COUNT, default=1, show_default=True, help="CPU threads.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="quick",
    show_default=True,
    help="Of a bundle: short 0.8 s and 700 queries; MLPerf's quick 10 s, full 600 s, both 662.",
)
@click.option(
    "--scenario",
    type=click.Choice(get_args(Scenario)),
    default="single-stream",
    show_default=True,
    help="MLPerf's: when queries come, and how many images each is.",
)
@click.option(
    "--qps", type=click.FloatRange(1e-3, 1e6), help="Queries a second that reach a server."
)
@click.option(
    "--samples",
    type=click.IntRange(1, 100_000),
    help="Images of a query of multi-stream [default: 8] or offline [default: 256].",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    help="Of a server's arrivals, and of what LoadGen draws [default: 0].",
)
@click.option(
    "--early-stop",
    is_flag=True,
    help="Stop a bundle once the bound of its p90 (single-stream) or p99 is within 2 % of it.",
)
@click.option(
    "--launches",
    type=COUNT,
    default=LAUNCHES,
    show_default=True,
    help="Process launches of each bundle.",
)
@click.option(
    "--rounds",
    type=COUNT,
    default=ROUNDS,
    show_default=True,
    help="Interleaved rounds a launch. A server's queue begins empty in each.",
)
@click.option("--queries", type=COUNT, help="Fewest queries of a bundle [default: the mode's].")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400),
    help="Shortest time of a bundle [default: the mode's].",
)
@click.option(
    "--on",
    "devices",
    multiple=True,
    metavar="DEVICE",
    help="Where: local, ssh://user@host:port or adb://serial; again for several [default: local].",
)
@click.option(
    "--setup",
    is_flag=True,
    help="On devices behind ssh, use environments that pip makes where they are missing.",
)
@click.option("--cpus", metavar="MASK", help="Pin runners on devices to cores, as taskset's mask.")
@click.option("--data", type=FOLDER, help="Images with one folder a class: accuracy on the device.")
@click.option("--images", type=COUNT, help="How many of --data, at most [default: 500].")
@click.option("--out", type=FOLDER, help=OUT_HELP)
@click.option(
    "--loadgen",
    type=FOLDER,
    metavar="FOLDER",
    help="Then measure under MLPerf's own LoadGen, here, and keep its logs in this folder.",
)
@click.option("--force", is_flag=True, help="Overwrite --out, and the logs of --loadgen.")
@trusted
def bench(
    bundles: tuple[Path, ...],
    threads: int,
    mode: Mode,
    scenario: Scenario,
    qps: float | None,
    samples: int | None,
    seed: int | None,
    early_stop: bool,
    launches: int,
    rounds: int,
    queries: int | None,
    seconds: float | None,
    devices: tuple[str, ...],
    setup: bool,
    cpus: str | None,
    data: Path | None,
    images: int | None,
    out: Path | None,
    loadgen: Path | None,
    force: bool,
    trust_code: bool,
) -> None:
    """Measure bundles side by side, in interleaved rounds over several process launches.

    On a device, a bundle is copied, proven and measured there; its row says which device.
    Accuracy is counted on all images of --data alike: whether a model was trained on them is
    asked by `edgecls evaluate`.
    """
    from edgecls.cli.display import display
    from edgecls.core import write_results
    from edgecls.errors import UsageError
    from edgecls.pipeline import loadgen as official
    from edgecls.pipeline.benching import Asked
    from edgecls.pipeline.benching import bench as measure
    from edgecls.remote.connected import hosts

    _check(out, force, data, [seconds, qps])
    _check_idle(None if loadgen else seed, scenario, images, data)
    if force and out is None and loadgen is None:
        raise UsageError("--force is to overwrite --out or --loadgen", "add one, or leave it")
    paths.there(paths.BUNDLE, *bundles)
    if LOCAL in devices or not devices:
        _check_threads(threads)
    if early_stop:
        _check_launches(launches)
    shortest, fewest = least(mode, scenario, seconds, queries)
    protocol = Protocol(
        threads, launches, rounds, fewest, shortest, scenario, samples, qps, seed or 0, early_stop
    )
    if loadgen is not None:
        _check_loadgen(loadgen, devices, force)
    events = display()
    asked = None if data is None else Asked(data, images or IMAGES)
    keep = None if out is None else out.parent
    found = measure(
        bundles, protocol, trust_code, events, hosts(devices, setup, cpus, events.note), asked, keep
    )
    if out is not None:
        write_results(out, found)
    _tell(found)
    beside = []
    if loadgen is not None:
        beside = official.run(bundles, found, protocol, loadgen, trust_code, events)
    for each in beside:
        click.echo(each.line, err=each.failed)
    fell_out = any(row.measured != "ok" for row in found) or any(each.failed for each in beside)
    sys.exit(1 if fell_out else 0)


def _tell(rows: Sequence[Measurement]) -> None:
    """The table, and what fell out."""
    from edgecls.cli.display import show
    from edgecls.report import terminal_table
    from edgecls.report.rows import title

    show(terminal_table(rows))
    for row in rows:
        if row.measured != "ok":
            click.echo(f"error: {title(row)}: {row.reason}", err=True)


def _check(
    out: Path | None, force: bool, data: Path | None, numbers: Sequence[float | None]
) -> None:
    """Raises UsageError for what cannot be, before anything is measured."""
    from edgecls.errors import UsageError
    from edgecls.pipeline import places
    from edgecls.rundir import FILES, check_new

    if any(number is not None and math.isnan(number) for number in numbers):
        raise UsageError("--seconds or --qps is not a number", "such as 2.0")
    if out is not None:
        check_new(out, force)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it first")
    if out is not None:
        places.writable(out)
        places.writable(out.parent / FILES / out.name)
        if out.name == FILES:
            raise UsageError(f"{out} is where side files go", "choose another file with --out")
    if data is not None and not data.exists():
        raise UsageError(f"the folder of images {data} is not there", "check its path")


def _check_idle(
    seed: int | None, scenario: Scenario, images: int | None, data: Path | None
) -> None:
    """Raises UsageError for an option that would change nothing."""
    from edgecls.errors import UsageError

    if seed is not None and scenario != "server":
        raise UsageError(
            f"{scenario} draws no arrivals", "give --seed with --scenario server or --loadgen"
        )
    if images is not None and data is None:
        raise UsageError("--images is how many of --data", "add --data, or leave out --images")


def _check_threads(threads: int) -> None:
    """Raises UsageError for more than this machine can run at once: they would wait in turns."""
    from edgecls.errors import UsageError
    from edgecls.hardware import usable_cores

    cores = usable_cores()
    if threads > cores:
        raise UsageError(f"--threads {threads} on {cores} cores", f"give at most {cores}")


def _check_launches(launches: int) -> None:
    """Raises UsageError where no row could stop early."""
    from edgecls.bench.stopping import LEAST_LAUNCHES
    from edgecls.errors import UsageError

    if launches <= LEAST_LAUNCHES:
        raise UsageError(
            f"no row stops early before {LEAST_LAUNCHES} launches, and here are {launches} in all",
            f"give --launches {LEAST_LAUNCHES + 1} or more, or leave out --early-stop",
        )


def _check_loadgen(folder: Path, devices: Sequence[str], force: bool) -> None:
    from edgecls.errors import UsageError
    from edgecls.pipeline import loadgen

    if any(device != LOCAL for device in devices):
        raise UsageError("LoadGen runs on this machine alone", "leave out --on, or --loadgen")
    loadgen.check(folder, force)
