"""What is installed, what fits together, and what this machine can do: `edgecls doctor`.

Nothing of what it looks at is imported here: versions are of the packages' metadata, and whether
one imports at all is tried in a process of its own.
"""

from edgecls.doctor.check import Check, Report, State
from edgecls.doctor.examination import examine

__all__ = ["Check", "Report", "State", "examine"]
