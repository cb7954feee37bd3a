"""From a run folder to its report.html and report.md."""

from __future__ import annotations

from pathlib import Path

from edgecls.report.html import page
from edgecls.report.loading import load
from edgecls.report.markdown import document
from edgecls.rundir import write_text

HTML, MARKDOWN = "report.html", "report.md"


def write_report(run: Path) -> Path:
    """Write both reports of a run folder, each beside and renamed; returns the HTML's path.

    A side file that is missing or damaged is named in the report; only a folder without a
    readable run.json, or rows of another schema, raise EdgeclsError.
    """
    data = load(run)
    write_text(run / MARKDOWN, document(data))
    path = run / HTML
    write_text(path, page(data))
    return path
