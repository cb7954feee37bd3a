"""What every architecture costs at a size, as rows for people and for programs."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from edgecls.core import Progress, SilentProgress
from edgecls.errors import UsageError, unknown_name
from edgecls.models import timms, zoo

SILENT = SilentProgress()


@dataclass(frozen=True)
class Row:
    """One architecture. macs, num_params: of one image; None where it cannot take the size.

    problem: why it cannot, and which size it takes.
    """

    arch: str
    family: str
    num_params: int | None = None
    macs: int | None = None
    problem: str = ""


def matching(pattern: str | None, with_timm: bool) -> list[str]:
    """The architectures that `pattern`, a name, a part of it or a glob, means.

    Raises UsageError where there is none, and for all of timm: those would take minutes.
    """
    with_timm = with_timm or (pattern or "").startswith(zoo.TIMM)
    if with_timm and pattern is None:
        raise UsageError(
            "timm has more than a thousand nets",
            "say which, such as: edgecls models 'timm/resnet*'",
        )
    names = [*zoo.names(), *(timms.names() if with_timm else [])]
    if pattern is None:
        return names
    glob = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    found = [
        name
        for name in names
        if any(fnmatch.fnmatch(part, glob) for part in (name, name.removeprefix(zoo.TIMM)))
    ]
    if not found:
        raise unknown_name("net", pattern, names)
    return found


def rows(
    archs: Sequence[str],
    size: int,
    channels: int,
    num_classes: int,
    progress: Progress = SILENT,
) -> list[Row]:
    """The rows, our own first, then family by family, the smallest first."""
    found = []
    for number, arch in enumerate(archs):
        progress.step(number, len(archs), arch)
        found.append(_row(arch, size, channels, num_classes))
    return sorted(
        found,
        key=lambda row: (
            row.arch not in zoo.OWN,
            row.family,
            row.macs is None,
            row.macs or 0,
            row.arch,
        ),
    )


def _row(arch: str, size: int, channels: int, num_classes: int) -> Row:
    family = zoo.family(arch)
    try:
        macs, num_params = zoo.price(arch, num_classes, channels, (size, size))
    except UsageError as error:
        return Row(arch, family, problem=f"{error.cause}; {error.fix}")
    return Row(arch, family, num_params, macs)
