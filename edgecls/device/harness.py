"""The command line of every bundle: verify, evaluate, measure, serve, predict.

A kit's ``infer.py`` calls `main` with its own ``load(folder, meta, threads) -> runner``, where a
runner has ``run(uint8[N, H, W, C]) -> float32[N, K]`` and ``about() -> dict``. The last line on
stdout is one JSON object with ``ok``; the exit status is 0 where it is true, 1 where it is not and
2 for a wrong command line.
"""

import argparse
import json
import os
import sys
from typing import IO, Any, Callable, Dict, Optional, Sequence

from . import classify, golden, measure, meta
from .errors import EdgeclsError
from .serve import Server, peak_rss_bytes, serve

Load = Callable[[str, meta.Meta, int], Any]


def main(folder: str, load: Load, argv: Optional[Sequence[str]] = None) -> int:
    """Run one command of a bundle; returns the exit status."""
    stdout = _claim_stdout()
    parser = _parser()
    args = parser.parse_args(argv)
    if not (args.verify or args.eval or args.bench or args.serve or args.images):
        parser.error("nothing to do: give an image, --verify, --eval DIR or --bench")
    try:
        result = _command(folder, load, args, stdout)
    except EdgeclsError as error:
        result = {"ok": False, "error": error.cause, "fix": error.fix}
        sys.stderr.write("error: {}\n".format(error))
    except ImportError as error:
        result = {
            "ok": False,
            "error": str(error),
            "fix": "{} -m pip install -r {}".format(
                sys.executable, os.path.join(folder, "requirements.txt")
            ),
        }
        sys.stderr.write("error: {}\n  fix: {}\n".format(error, result["fix"]))
    if not args.serve or not result["ok"]:
        stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        stdout.flush()
    return 0 if result["ok"] else 1


def _claim_stdout() -> IO[str]:
    """Our own stdout; what a runtime prints goes to stderr, so that the last line stays ours."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(ours, "w", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infer.py", description="Run, verify and measure this image classifier."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--verify", action="store_true", help="prove files, tensors and logits")
    what.add_argument("--eval", metavar="DIR", help="accuracy on a folder with one folder a class")
    what.add_argument("--bench", action="store_true", help="measure the latency")
    what.add_argument("--serve", action="store_true", help="answer JSON requests on stdin")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="images to classify")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: the runtime's own)")
    parser.add_argument("--seconds", type=float, default=2.0, help="shortest time of --bench")
    parser.add_argument("--queries", type=int, default=662, help="fewest queries of --bench")
    return parser


def _command(folder: str, load: Load, args: argparse.Namespace, stdout: IO[str]) -> Dict[str, Any]:
    description = meta.read(folder)
    changed = meta.check(folder, description)
    if changed:
        raise EdgeclsError("the bundle is damaged: " + "; ".join(changed), "copy it again")
    runner, load_ms = measure.timed(lambda: load(folder, description, args.threads))
    if args.serve:
        return {"ok": serve(Server(folder, description, runner, load_ms), stdout) == 0}
    if args.verify:
        return golden.verify(folder, description, runner)
    if args.eval:
        return classify.evaluate(args.eval, description, runner)
    if args.bench:
        return _bench(Server(folder, description, runner, load_ms), args)
    return classify.predict(args.images, description, runner)


def _bench(server: Server, args: argparse.Namespace) -> Dict[str, Any]:
    ask = measure.query("inference", server.runner, server.meta, server.tensors, server.files)
    samples = measure.sample(ask, args.seconds, args.queries, warmup=max(20, args.queries // 10))
    result: Dict[str, Any] = {"ok": True, **measure.summary(samples)}
    result.update(server.do_hello({}))
    result["rss_bytes"] = peak_rss_bytes()
    return result
