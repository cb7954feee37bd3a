"""The comparison in Markdown, for a pull request."""

from __future__ import annotations

from edgecls.comparing.values import NEW, OLD, Gate
from edgecls.comparing.words import HEAD, Block, alarms, blocks, notes, summary
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
    head = ["Row", *HEAD]
    numeric = range(2, len(head) - 1)
    rule = ["--:" if column in numeric else "---" for column in range(len(head))]
    body = [row for block in blocks(gate) for row in _rows(block)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])


def _rows(block: Block) -> list[list[str]]:
    if block.remark:
        told = text(block.remark)
        return [[text(block.name), *[""] * (len(HEAD) - 1), _strong(told) if block.alarm else told]]
    found = []
    for number, line in enumerate(block.lines):
        cells = [text(cell) for cell in line.cells]
        cells = [_strong(cell) for cell in cells] if line.alarm else cells
        found.append([text(block.name) if number == 0 else "", *cells])
    return found


def _strong(cell: str) -> str:
    return f"**{cell}**" if cell else ""
