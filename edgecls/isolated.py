"""How another Python of this installation is started: with none of its user's settings."""

from __future__ import annotations

import site
from pathlib import Path


def flags() -> list[str]:
    """``-I``, less its ``-s`` where edgecls is among the user's own packages.

    Those, of ``pip install --user``, are then where the runtimes are too.
    """
    own = Path(__file__).resolve()
    users = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    return ["-E", "-P"] if users and own.is_relative_to(Path(users).resolve()) else ["-I"]
