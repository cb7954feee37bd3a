"""Two runs against each other: the gate of a user's CI.

`compare` reads both and tests every row; `alarms` are what a CI stops for: a bound that is exceeded
by a change that chance does not explain (its corrected p is below 0.01), or a row that is gone.
`warnings` say what was tested in no row. `table`, `junit` and `markdown` show all of it.
"""

from edgecls.comparing.gate import compare
from edgecls.comparing.junit import document as junit
from edgecls.comparing.markdown import document as markdown
from edgecls.comparing.terminal import table
from edgecls.comparing.values import Bounds, Change, Gate, Pair
from edgecls.comparing.words import Alarm, alarms, notes, summary, warnings

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
    "warnings",
]
