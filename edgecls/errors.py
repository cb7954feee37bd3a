"""The kinds of errors, and the sentence for a name that does not exist.

Only the command line catches them. ``UsageError`` ends with exit status 2, every other kind with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from edgecls.device.errors import EdgeclsError

__all__ = [
    "BusyError",
    "ConversionError",
    "DataError",
    "EdgeclsError",
    "LostError",
    "MissingDependency",
    "RunnerError",
    "SkippedError",
    "TrustError",
    "UsageError",
    "unknown_name",
]


class UsageError(EdgeclsError):
    """The command, an option or the recipe asks for something that does not exist."""


class DataError(EdgeclsError):
    """The images or their folders cannot be used as they are."""


class ConversionError(EdgeclsError):
    """A model could not be converted, or its conversion did not pass the parity check."""


class RunnerError(EdgeclsError):
    """A bundle's runner ended, hung or answered with an error."""


class LostError(RunnerError):
    """The connection to a device broke; nothing is known of what ran there."""


class SkippedError(EdgeclsError):
    """A device cannot run a bundle as things are: its row is skipped, and says what mends it."""


class TrustError(EdgeclsError):
    """A bundle's files are not what its meta.json, or an installed kit, says they are."""


class BusyError(EdgeclsError):
    """Another process is at work in the same folder."""


class MissingDependency(EdgeclsError):
    """An optional package is not installed; says which extra brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", f'pip install "edgecls[{extra}]"')


MANY = 100  # names: of more, only the near ones are listed


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """The error for `name`, which is none of the `valid` ones: lists them, nearest first."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=10, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = names if len(names) <= MANY else [*near, f"… ({len(names):,} in all)"]
    return UsageError(f"unknown {kind}: {name!r}", f"{hint}valid: {', '.join(listed)}")
