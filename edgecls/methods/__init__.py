"""Compression methods: one file each, whose name is its name on the command line.

A module defines ``METHOD``, an object of the Protocol `edgecls.core.Method`. Nothing heavy is
imported before ``apply``.
"""

from __future__ import annotations

import sys
from typing import cast

from edgecls import plugins
from edgecls.core import Method


def names() -> list[str]:
    """Every method, our own and those that other packages add."""
    return plugins.names(sys.modules[__name__])


def get(name: str) -> Method:
    """The method called `name`. Raises UsageError."""
    return cast(Method, plugins.get(sys.modules[__name__], "method", name))
