"""What edgecls needs, by its own metadata: each package with its tested range, base and extras."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from edgecls.doctor.check import Check, State

OURSELVES = "edgecls"
BASE = "base"
# Not of a user's concern: one is the others together, one is for work on edgecls.
LEFT_OUT = ("all", "dev", "mobile")
# Distribution -> module, where it is not the same name.
MODULES = {
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "tensorrt-rtx-cu13": "tensorrt_rtx",
    "ai-edge-litert": "ai_edge_litert.interpreter",
}


@dataclass(frozen=True)
class Need:
    """A package that edgecls uses. extra: empty for the base; installed: empty for 'not'."""

    name: str
    range: SpecifierSet
    extra: str
    installed: str

    @property
    def module(self) -> str:
        return MODULES.get(self.name, self.name.replace("-", "_"))

    @property
    def fits(self) -> bool:
        return self.range.contains(self.installed, prereleases=True)

    @property
    def line(self) -> str:
        """What installs it in its tested range."""
        if self.extra:
            return f'{pip()} "{OURSELVES}[{self.extra}]"'
        return f'{pip()} "{self.name}{self.range}"'


def pip() -> str:
    """How packages are installed into this very environment."""
    return f"{sys.executable} -m pip install"


def needs() -> list[Need]:
    """Every package of the base and of the extras. Raises PackageNotFoundError."""
    found = []
    for extra in ("", *(metadata.metadata(OURSELVES).get_all("Provides-Extra") or ())):
        if extra in LEFT_OUT:
            continue
        for requirement in _requirements(OURSELVES):
            if _belongs(requirement, extra):
                name = canonicalize_name(requirement.name)
                found.append(Need(name, requirement.specifier, extra, version(name)))
    return sorted(found, key=lambda need: (need.extra, need.name))


def check(found: Sequence[Need]) -> Iterator[Check]:
    """Whether each is there, in its tested range."""
    for need in found:
        part = need.extra or BASE
        if not need.installed:
            state: State = "missing" if need.extra else "broken"
            yield Check(part, need.name, state, "not installed", need.line)
        elif not need.fits:
            text = f"{need.installed} is outside the tested range {need.range}"
            yield Check(part, need.name, "warning", text, f'{pip()} "{need.name}{need.range}"')
        else:
            yield Check(part, need.name, "ok", need.installed)


def version(name: str) -> str:
    """An installed package's version, or the empty string."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def wanted_by(name: str) -> Iterator[Requirement]:
    """What an installed package itself requires here, without its extras."""
    for requirement in _requirements(name):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _requirements(name: str) -> list[Requirement]:
    return [Requirement(text) for text in metadata.requires(name) or ()]


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement is of that extra, or of the base where it is empty."""
    if requirement.marker is None:
        return not extra
    with_it = requirement.marker.evaluate({"extra": extra})
    return with_it and (not extra or not requirement.marker.evaluate({"extra": ""}))
