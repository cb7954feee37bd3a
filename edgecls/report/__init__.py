"""A run's report: one offline HTML file, a Markdown file, a picture, a table in the terminal.

`write_report` reads the run folder alone; `write_comparison` reads several, into one page.
`recommend` says which row to ship and why every other row lost; `terminal_table` is the short
form. Importing this brings no runtime and no torch.
"""

from edgecls.report.doubts import comparison_lines, doubts
from edgecls.report.recommend import HOST_ONLY, Recommendation, Verdict, explain, recommend
from edgecls.report.terminal import evaluation_table, terminal_table
from edgecls.report.together import write_comparison
from edgecls.report.write import write_report

__all__ = [
    "HOST_ONLY",
    "Recommendation",
    "Verdict",
    "comparison_lines",
    "doubts",
    "evaluation_table",
    "explain",
    "recommend",
    "terminal_table",
    "write_comparison",
    "write_report",
]
