"""From the folder of a run or an evaluation to its report."""

from __future__ import annotations

from pathlib import Path

from edgecls import evaluation
from edgecls.report.evaluation import page as evaluation_page
from edgecls.report.html import page
from edgecls.report.loading import load
from edgecls.report.markdown import document
from edgecls.rundir import write_text

HTML, MARKDOWN = "report.html", "report.md"


def write_report(run: Path) -> Path:
    """Write both reports of a run folder, each beside and renamed; returns the HTML's path.

    The folder of an evaluation gets its report.html alone.

    A side file that is missing or damaged is named in the report; only a folder without a
    readable run.json, or rows of another schema, raise EdgeclsError.
    """
    path = run / HTML
    if (run / evaluation.NAME).is_file():
        write_text(path, evaluation_page(run))
        return path
    data = load(run)
    write_text(run / MARKDOWN, document(data))
    write_text(path, page(data))
    return path
