"""The comparison as JUnit's XML, which a CI shows beside its tests.

One case for each row and kind: ``accuracy``, ``latency``, and ``measured``, which fails where a
row that was measured in OLD is not in NEW. What could not be tested is skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from edgecls.comparing.values import Change, Gate, Pair
from edgecls.comparing.words import alarms_of, figures, interval, plain, remark, verdict
from edgecls.report import units
from edgecls.report.rows import is_measured

SUITE = "edgecls compare"


def document(gate: Gate) -> str:
    """The whole file."""
    suite = ET.Element("testsuite", name=SUITE)
    for pair in gate.pairs:
        failures = {alarm.kind: alarm.sentence for alarm in alarms_of(gate, pair)}
        _measured(_case(suite, pair, "measured", failures), pair)
        for kind, change in pair.changes.items():
            _figures(_case(suite, pair, kind, failures), gate, change)
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("testcase/failure")),
        "errors": 0,
        "skipped": len(suite.findall("testcase/skipped")),
    }
    root = ET.Element("testsuites", name=SUITE)
    root.append(suite)
    for element in (root, suite):
        for name, count in counts.items():
            element.set(name, str(count))
    ET.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, pair: Pair, kind: str, failures: Mapping[str, str]) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=pair.name, name=kind, time="0")
    sentence = failures.get(kind)
    if sentence is not None:
        ET.SubElement(case, "failure", type=kind, message=sentence).text = sentence
    return case


def _measured(case: ET.Element, pair: Pair) -> None:
    """Skipped where the row was not measured in OLD either: then nothing is gone."""
    if not pair.gone and not (pair.new is not None and is_measured(pair.new)):
        ET.SubElement(case, "skipped", message=remark(pair))


def _figures(case: ET.Element, gate: Gate, change: Change) -> None:
    if change.p_value is None:
        ET.SubElement(case, "skipped", message=plain(change.reason))
    old, new, difference = figures(change)
    told = [f"{old} → {new}: {difference}"]
    if change.p_value is not None:
        sure = units.p_value(change.p_value)
        told.append(f"95 % interval {interval(change)}, {sure}: {verdict(gate, change)}")
    told += [plain(note) for note in change.notes]
    ET.SubElement(case, "system-out").text = "\n".join(told)
