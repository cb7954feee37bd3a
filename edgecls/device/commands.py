"""What the bundle's commands do, once the command line is understood."""

import argparse
from typing import IO, Any, Dict, Optional

from . import bench, classify, golden, measure, memory, meta
from .errors import EdgeclsError
from .harness import Load, Prepare
from .serve import Server, serve


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
    baseline = memory.resident_bytes()  # before the runtime is imported
    runner, load_ms = measure.timed(lambda: load(folder, description, args.threads))
    if args.serve or args.bench:
        server = Server(folder, description, runner, load_ms, baseline)
        return bench.bench(server, args) if args.bench else {"ok": serve(server, stdout) == 0}
    if args.verify:
        return golden.verify(folder, description, runner)
    if args.eval is not None:
        return classify.evaluate(args.eval, description, runner)
    return classify.predict(args.images, description, runner)
