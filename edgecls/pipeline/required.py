"""What pip would install for a bundle: its requirements are data, and pip runs what they name."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from edgecls import targets
from edgecls.bundle import COMMON
from edgecls.device.meta import Meta
from edgecls.errors import TrustError

NAME = "requirements.txt"


def check(bundle: Path, meta: Meta) -> None:
    """Raises TrustError for a line that names no package of the bundle's kit."""
    known = _known(meta.kit)
    for line in (bundle / NAME).read_text(encoding="utf-8", errors="replace").splitlines():
        if line.strip() and _name(line) not in known:
            raise TrustError(
                f"{bundle} would have pip install what its kit {meta.kit!r} does not need: "
                f"{line.strip()[:100]!r}",
                "export it again with this edgecls, or add --trust-code if you know who wrote it",
            )


def _known(kit: str) -> set[str]:
    found = [*COMMON]
    for name in targets.names():
        target = targets.get(name)
        if target.kit == kit:
            found += target.requirements
    return {_name(line) for line in found}


def _name(line: str) -> str:
    """The package of a line; empty for a path, an address, or an option of pip."""
    try:
        found = Requirement(line)
    except InvalidRequirement:
        return ""
    return "" if found.url else canonicalize_name(found.name)
