"""What a run says while it works; the command line shows it, tests and libraries need not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from edgecls.core import Progress, SilentProgress


class Events(Protocol):
    """Where a run tells what it does."""

    def plan(self, lines: Sequence[str]) -> None:
        """The plan, before anything long begins."""
        ...

    def note(self, text: str) -> None:
        """One line that stays."""
        ...

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        """A stage that is at work."""
        ...


class Silent:
    """Says nothing."""

    def plan(self, lines: Sequence[str]) -> None:
        return None

    def note(self, text: str) -> None:
        return None

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        return nullcontext(SilentProgress())
