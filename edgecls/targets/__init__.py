"""Runtimes to ship to: one file each, whose name (with dashes) is its name on the command line.

A module defines ``TARGET``, an object of the Protocol `edgecls.core.Target`. No runtime is
imported before ``convert``.
"""

from __future__ import annotations

import sys
from typing import cast

from edgecls import plugins
from edgecls.core import Target


def names() -> list[str]:
    """Every target, our own and those that other packages add."""
    return plugins.names(sys.modules[__name__])


def get(name: str) -> Target:
    """The target called `name`. Raises UsageError."""
    return cast(Target, plugins.get(sys.modules[__name__], "target", name))
