"""One conversion in a process of its own, for `everywhere`.

    python -m edgecls.pipeline.one_export '{"checkpoint": …, "graph": …, "target": …}'

Without a target it only exports the graph that all others begin with. The last line on stdout is
one JSON object: ``{"status": "ok" | "skipped" | "failed", "reason": …, "fix": …}``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecls import targets
from edgecls.core import DONE, Outcome, Purpose
from edgecls.errors import EdgeclsError, MissingDependency, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline import places
from edgecls.pipeline.package import package, unsuited


def convert(asked: Mapping[str, Any]) -> Outcome:
    """Do what is asked. Raises EdgeclsError where it fails."""
    source = CheckpointSource(Path(asked["checkpoint"]), Path(asked["graph"]))
    if asked.get("target") is None:
        source.exported()
        return DONE
    target, precision = targets.get(asked["target"]), asked["precision"]
    for hindrance in (
        unsuited(checkpoints.load(source.checkpoint), target, precision),
        target.availability().convert,
    ):
        if hindrance.status != "ok":
            return Outcome("skipped", hindrance.reason, hindrance.fix)
    purpose = Purpose(asked["profile"], asked["batch"])
    try:
        places.place(
            Path(asked["out"]),
            lambda part: package(asked["model"], source, target, precision, part, purpose=purpose),
        )
    except (MissingDependency, UsageError) as error:
        # A machine or a batch that this target does not know, when all targets are asked.
        return Outcome("skipped", error.cause, error.fix)
    return DONE


def main() -> None:
    # What converters print goes to stderr: stdout holds the outcome alone.
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        outcome = convert(json.loads(sys.argv[1]))
    except EdgeclsError as error:
        outcome = Outcome("failed", error.cause, error.fix)
    except OSError as error:
        outcome = Outcome("failed", str(error), "look at the disk: its space, and your rights")
    stdout.write(json.dumps(asdict(outcome)) + "\n")
    stdout.close()


if __name__ == "__main__":
    main()
