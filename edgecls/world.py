"""Which process this is among those that ``torchrun`` starts to train one net together."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgecls.errors import UsageError

# Where processes meet, as torch reads it from the environment.
MEETING = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class World:
    """This process. local_rank, local_size: among those of its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0


def world() -> World:
    """As ``torchrun`` says in the environment; alone without it. Raises UsageError."""
    names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    try:
        found = World(*(int(os.environ.get(name, alone)) for name, alone in names.items()))
    except ValueError as error:
        raise UsageError(
            f"one of {', '.join(names)} is no number: {error}", "start it with torchrun"
        ) from error
    # A process that takes another one's place would be waited for in vain.
    missing = [name for name in ("RANK", *MEETING) if name not in os.environ]
    if found.size > 1 and missing:
        raise UsageError(
            f"WORLD_SIZE is set, but not {' and '.join(missing)}", "start it with torchrun"
        )
    if not 0 <= found.rank < found.size:
        raise UsageError(
            f"RANK is {found.rank}, but WORLD_SIZE {found.size}", "start it with torchrun"
        )
    return found
