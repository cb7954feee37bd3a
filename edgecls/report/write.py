"""From the folder of a run or an evaluation to its report."""

from __future__ import annotations

from pathlib import Path

from edgecls import evaluation
from edgecls.errors import UsageError
from edgecls.report.evaluation import page as evaluation_page
from edgecls.report.html import page
from edgecls.report.loading import load
from edgecls.report.markdown import document
from edgecls.report.picture import picture
from edgecls.rundir import REPORTS, write_text

HTML, MARKDOWN, PICTURE = REPORTS


def write_report(run: Path) -> Path:
    """Write the reports of a run folder, each beside and renamed; returns the HTML's path.

    They are report.html, report.md and, where there is something to plot, report.svg.

    The folder of an evaluation gets its report.html alone.

    A side file that is missing or damaged is named in the report; only a folder without a
    readable run.json, or rows of another schema, raise EdgeclsError.
    """
    path = run / HTML
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "move it away: the report goes there")
    if (run / evaluation.NAME).is_file():
        write_text(path, evaluation_page(run))
        return path
    data = load(run)
    write_text(run / MARKDOWN, document(data))
    drawn = picture(data)
    if drawn is None:
        # One of an earlier time would show rows that are no more.
        (run / PICTURE).unlink(missing_ok=True)
    else:
        write_text(run / PICTURE, drawn)
    write_text(path, page(data))
    return path
