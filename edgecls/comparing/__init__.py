"""Two runs against each other: the gate of a user's CI.

`compare` reads both and tests every row; `alarms` are what a CI stops for: a bound that is exceeded
by more than chance explains, or a row that is gone. `table`, `junit` and `markdown` show all of it.
"""

from edgecls.comparing.gate import compare
from edgecls.comparing.junit import document as junit
from edgecls.comparing.markdown import document as markdown
from edgecls.comparing.terminal import table
from edgecls.comparing.values import Bounds, Change, Gate, Pair
from edgecls.comparing.words import Alarm, alarms, notes, summary

__all__ = [
    "Alarm",
    "Bounds",
    "Change",
    "Gate",
    "Pair",
    "alarms",
    "compare",
    "junit",
    "markdown",
    "notes",
    "summary",
    "table",
]
