"""What the bundle's commands do, once the command line is understood."""

import argparse
from typing import IO, Any, Dict, Optional

from . import classify, golden, measure, meta
from .errors import EdgeclsError
from .harness import Load, Prepare
from .serve import Server, peak_rss_bytes, serve


def command(
    folder: str,
    load: Load,
    args: argparse.Namespace,
    stdout: IO[str],
    prepare: Optional[Prepare] = None,
) -> Dict[str, Any]:
    """The result of one command, with ``ok``; nothing is loaded from a damaged bundle."""
    description = meta.read(folder)
    changed = meta.check(folder, description)
    if changed:
        raise EdgeclsError("the bundle is damaged: " + "; ".join(changed), "copy it again")
    if args.prepare:
        # Where nothing is to be made the runtime needs no preparation.
        return {"ok": True, **(prepare(folder, description) if prepare else {})}
    runner, load_ms = measure.timed(lambda: load(folder, description, args.threads))
    if args.serve:
        return {"ok": serve(Server(folder, description, runner, load_ms), stdout) == 0}
    if args.verify:
        return golden.verify(folder, description, runner)
    if args.eval is not None:
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
