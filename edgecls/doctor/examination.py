"""All checks in their order; the quick ones first, so that something is told at once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from edgecls.doctor.check import Check, Report
from edgecls.errors import EdgeclsError


def unheard(check: Check) -> None:
    """Where nobody follows."""


def examine(folder: Path, imports: bool = True, tell: Callable[[Check], None] = unheard) -> Report:
    """Look at this machine and at what is installed. tell: is given each check as it is made.

    folder: where one would work. imports: whether the packages are imported too, which takes
    seconds. Raises EdgeclsError where edgecls itself is not installed as a package.
    """
    try:
        from edgecls.doctor import conflicts, machine, packages
        from edgecls.doctor import imports as importing

        found = packages.needs()
        required = metadata.metadata(packages.OURSELVES)["Requires-Python"] or ""
    except (ModuleNotFoundError, metadata.PackageNotFoundError) as error:
        raise EdgeclsError(
            f"this installation of edgecls is broken: {error}",
            "pip install --force-reinstall edgecls",
        ) from error
    checks: list[Check] = []

    def add(check: Check) -> None:
        checks.append(check)
        tell(check)

    add(machine.python(required))
    for part in (machine.check(folder), packages.check(found), conflicts.check(found)):
        for check in part:
            add(check)
    if imports:
        for check in importing.check(found):
            add(check)
    return Report(tuple(checks))
