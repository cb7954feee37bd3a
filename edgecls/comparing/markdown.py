"""The comparison in Markdown, for a pull request."""

from __future__ import annotations

from edgecls.comparing.values import NEW, OLD, Gate
from edgecls.comparing.words import HEAD, alarms, lines, notes, summary
from edgecls.report.markdown import text


def document(gate: Gate) -> str:
    """The whole document: the verdict, the alarms, the table, what is to be known of it."""
    parts = ["## edgecls compare", f"**{text(summary(gate))}.**"]
    parts += _list([alarm.sentence for alarm in alarms(gate)])
    parts += [f"{OLD}: {text(gate.old)}, {NEW}: {text(gate.new)}", _table(gate)]
    parts += _list(notes(gate))
    return "\n\n".join(parts) + "\n"


def _list(sentences: list[str]) -> list[str]:
    return ["\n".join(f"- {text(sentence)}" for sentence in sentences)] if sentences else []


def _table(gate: Gate) -> str:
    numeric = range(2, len(HEAD) - 1)
    rule = ["--:" if column in numeric else "---" for column in range(len(HEAD))]
    body = [
        [f"**{text(cell)}**" if line.alarm and cell else text(cell) for cell in line.cells]
        for line in lines(gate)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(HEAD), rule, *body])
