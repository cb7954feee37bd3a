"""The command line of every bundle: verify, evaluate, measure, serve, predict, prepare.

A kit's ``infer.py`` calls `main` with its own ``load(folder, meta, threads) -> runner``, where a
runner has ``run(uint8[N, H, W, C]) -> float32[N, K]`` and ``about() -> dict``, ``batch`` where it
takes more than one image at once, and ``profile`` (`operators`) where its runtime can tell. A kit
that makes something on the device before it can run also gives ``prepare(folder, meta) -> dict``.
The last line on stdout is one JSON object with ``ok``; the exit status is 0 where it is true, 1
where it is not and 2 for a wrong command line.
"""

import argparse
import json
import os
import sys
import traceback
from typing import IO, Any, Callable, Dict, NoReturn, Optional, Sequence

from .errors import EdgeclsError
from .scenarios import SAMPLES, SCENARIOS

# Options that --bench alone uses.
OF_BENCH = ("seconds", "queries", "scenario", "qps", "samples")

# (folder, meta.Meta, threads) -> runner
Load = Callable[[str, Any, int], Any]
# (folder, meta.Meta) -> what was made
Prepare = Callable[[str, Any], Dict[str, Any]]


def main(
    folder: str,
    load: Load,
    argv: Optional[Sequence[str]] = None,
    prepare: Optional[Prepare] = None,
) -> int:
    """Run one command of a bundle; returns the exit status."""
    args = _arguments(argv)
    stdout = _claim_stdout()
    try:
        # Here, so that a missing numpy or Pillow is told as a missing runtime is.
        from .commands import command

        result = command(folder, load, args, stdout, prepare)
    except EdgeclsError as error:
        result = _failure(error.cause, error.fix)
    except ImportError as error:
        requirements = os.path.join(folder, "requirements.txt")
        fix = "{} -m pip install -r {}".format(sys.executable, requirements)
        result = _failure(str(error), fix)
    except Exception as error:  # noqa: BLE001 - a runtime raises what it likes
        traceback.print_exc()
        result = _failure("{}: {}".format(type(error).__name__, error))
    if not args.serve or not result["ok"]:
        _print(result, stdout)
    return 0 if result["ok"] else 1


def _failure(cause: str, fix: str = "") -> Dict[str, Any]:
    sys.stderr.write("error: {}\n".format(EdgeclsError(cause, fix)))
    return {"ok": False, "error": cause, "fix": fix}


def _print(result: Dict[str, Any], stdout: IO[str]) -> None:
    # Escapes carry file names that are not UTF-8.
    stdout.write(json.dumps(result) + "\n")
    stdout.flush()


def _claim_stdout() -> IO[str]:
    """Our own stdout; what a runtime prints goes to stderr, so that the last line stays ours."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(ours, "w", encoding="utf-8")


class _Parser(argparse.ArgumentParser):
    """One whose errors, too, end with a line of JSON on stdout."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        _print(_failure(message, "infer.py --help"), sys.stdout)
        sys.exit(2)


def _arguments(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = _Parser(prog="infer.py", description="Run, verify and measure this image classifier.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--verify", action="store_true", help="prove files, tensors and logits")
    what.add_argument("--eval", metavar="DIR", help="accuracy on a folder with one folder a class")
    what.add_argument("--bench", action="store_true", help="measure the latency")
    what.add_argument("--serve", action="store_true", help="answer JSON requests on stdin")
    what.add_argument("--prepare", action="store_true", help="build ahead what this device needs")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="images to classify")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: the runtime's own)")
    parser.add_argument("--seconds", type=float, help="shortest time of --bench (default 2)")
    parser.add_argument(
        "--queries", type=int, help="fewest queries of --bench (default 662, offline 1)"
    )
    parser.add_argument(
        "--scenario", choices=SCENARIOS, help="how the queries of --bench come (single-stream)"
    )
    parser.add_argument("--qps", type=float, help="arrivals a second, with --scenario server")
    parser.add_argument(
        "--samples", type=int, help="images in a query, with --scenario multi-stream or offline"
    )
    args = parser.parse_args(argv)
    chosen = args.verify or args.eval is not None or args.bench or args.serve or args.prepare
    if not chosen and not args.images:
        parser.error("nothing to do: give an image, --verify, --eval DIR or --bench")
    if chosen and args.images:
        parser.error("give either images or one of --verify, --eval, --bench, --serve, --prepare")
    if args.threads < 0 or not 0 <= (args.seconds or 0) < float("inf"):
        parser.error("--threads and --seconds are at least 0")
    cores = os.cpu_count() or args.threads
    if args.threads > cores:  # they would wait for each other, for minutes
        parser.error("--threads {}: this device has {} cores".format(args.threads, cores))
    _check_bench(parser, args)
    return args


def _check_bench(parser: _Parser, args: argparse.Namespace) -> None:
    """Refuse what --bench would not use; without a scenario it is single stream."""
    given = [name for name in OF_BENCH if getattr(args, name) is not None]
    if given and not args.bench:
        parser.error("--{} is of --bench alone".format(given[0]))
    args.scenario = args.scenario or SCENARIOS[0]
    for name in ("queries", "samples"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error("--{} is at least 1".format(name))
    if args.samples is not None and args.scenario not in SAMPLES:
        parser.error(
            "--samples does nothing in {}: it is of {}".format(args.scenario, " and ".join(SAMPLES))
        )
    if (args.scenario == "server") != (args.qps is not None):
        parser.error("--scenario server and --qps go together")
    if args.qps is not None and not 1e-3 <= args.qps <= 1e6:
        parser.error("--qps is a number from 0.001 to 1000000")
