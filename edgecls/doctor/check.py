"""One thing that was looked at, and all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

# missing: an optional part that is not there; warning: works, but is to be minded.
State = Literal["ok", "missing", "warning", "broken"]


@dataclass(frozen=True)
class Check:
    """part: the heading that it stands under. fix: the command or the step that mends it."""

    part: str
    name: str
    state: State
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All that was looked at, in the order in which it is told."""

    checks: tuple[Check, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the base works."""
        return not any(check.state == "broken" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.is_sound, "checks": [asdict(check) for check in self.checks]}
