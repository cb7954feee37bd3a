"""Whether a package imports: tried in a process of its own, for one that crashes or hangs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from edgecls import isolated
from edgecls.doctor.check import Check, State
from edgecls.doctor.packages import Need, pip
from edgecls.hardware import usable_cores

PART = "imports"
# On a slow disk PyTorch alone takes half a minute.
LIMIT_S = 120.0


def check(found: Sequence[Need]) -> Iterator[Check]:
    """One line for all that import, and one for each that does not."""
    base = [need for need in found if need.installed and not need.extra]
    extras = [need for need in found if need.installed and need.extra]
    with ThreadPoolExecutor(max_workers=min(2, usable_cores())) as pool:
        failed = [each for group in pool.map(_failing, (base, extras)) for each in group]
    for need, text in failed:
        again = f'{pip()} --force-reinstall --no-deps "{need.name}{need.range}"'
        state: State = "warning" if need.extra else "broken"
        yield Check(PART, need.name, state, text, again)
    count = len(base) + len(extras)
    yield Check(PART, "packages", "ok", f"{count - len(failed)} of {count} import")


def _failing(group: Sequence[Need]) -> list[tuple[Need, str]]:
    """Those that do not import, and why: all in one process first, since most import PyTorch."""
    if not group or not problem(", ".join(need.module for need in group)):
        return []
    told = [(need, problem(need.module)) for need in group]
    return [(need, text) for need, text in told if text]


def problem(module: str, limit_s: float = LIMIT_S) -> str:
    """Why a module does not import, in its own last words; empty where it does.

    module: or several, with commas between them.
    """
    try:
        done = subprocess.run(
            [sys.executable, *isolated.flags(), "-c", f"import {module}"],
            capture_output=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return f"import {module} took longer than {limit_s:.0f} s"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0:
        return f"import {module} ended with signal {-done.returncode}"
    return f"import {module}: {said[-1] if said else 'it said nothing'}"
