"""Rows of several runs as one, for each set of images: one plot, one table, one rule.

The recommendation of a device is by the rule over the rows of all runs, with the budget of the
first run. Rows of two runs were not measured side by side, so that no test of a difference between
them is taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecls.core import Measurement
from edgecls.report.loading import Run
from edgecls.report.recommend import Recommendation, Verdict, recommend
from edgecls.report.sources import Source
from edgecls.rundir import Budget, RunInfo


@dataclass(frozen=True)
class Joint:
    """The sources whose accuracies are of the same images, and their rows as one run's."""

    sources: tuple[Source, ...]
    run: Run

    @property
    def is_judged(self) -> bool:
        """Whether any of them says what is accurate enough."""
        return any(source.info is not None for source in self.sources)


def join(sources: Sequence[Source]) -> list[Joint]:
    """The sources by their images, in the order of the first of each."""
    found, first = [], 0
    for group in _grouped(sources):
        run = _run(group, first, tuple(source.name for source in sources))
        found.append(Joint(tuple(group), run))
        first += len(run.rows)
    return found


def _grouped(sources: Sequence[Source]) -> list[list[Source]]:
    """Runs by their images; then each file of rows to whom it shares a bundle with."""
    groups: list[list[Source]] = []
    for source in sorted(sources, key=lambda source: source.info is None):
        home = next((group for group in groups if _belongs(source, group)), None)
        if home is None:
            groups.append([source])
        else:
            home.append(source)
    for group in groups:
        group.sort(key=sources.index)
    return sorted(groups, key=lambda group: sources.index(group[0]))


def _belongs(source: Source, group: Sequence[Source]) -> bool:
    if source.images is None:
        return any(source.shares_bundle(other) for other in group)
    known = [other.images for other in group if other.images is not None]
    return bool(known) and source.images.is_same(known[0])


def _run(group: Sequence[Source], first: int, among: tuple[str, ...]) -> Run:
    scored = {
        row.bundle_sha256: row
        for source in group
        for row in source.rows
        if row.bundle_sha256 and row.val_top1 is not None
    }
    pairs = [
        (source, _with_accuracy(row, scored.get(row.bundle_sha256 or "")))
        for source in group
        for row in source.rows
    ]
    rows = tuple(row.with_(recommended=False) for _, row in pairs)
    infos = [source.info for source in group if source.info is not None]
    info = infos[0] if infos else _unknown(group[0])
    found = recommend(_without_tests(pairs, info.reference), info)
    if not infos:
        found = _unjudged(found)
    return Run(
        info=info,
        rows=rows,
        recommendation=found,
        curves={},
        predictions=None,
        baseline=None,
        pictures=(),
        problems=(),
        origins=tuple(source.name for source, _ in pairs),
        first=first,
        among=among,
    )


def _with_accuracy(row: Measurement, same: Measurement | None) -> Measurement:
    """The row, with the accuracy that the same bundle has in its run where it has none itself."""
    if same is None or row.val_top1 is not None:
        return row
    names = ["val_top1", "val_top1_low", "val_top1_high"]
    if row.top1 is None:
        names += ["top1", "top1_low", "top1_high", "num_images"]
    return row.with_(**{name: getattr(same, name) for name in names})


def _without_tests(
    pairs: Sequence[tuple[Source, Measurement]], reference: str
) -> list[Measurement]:
    """The rows without what was tested against a row that another run's would be taken for."""
    homes: dict[str, set[str]] = {}
    for source, row in pairs:
        homes.setdefault(row.device, set()).add(source.name)
    found = []
    for source, row in pairs:
        if len(homes[row.device]) > 1:
            row = row.with_(latency_p_value=None)
        if source.info is None or source.info.reference != reference:
            row = row.with_(p_value=None)
        found.append(row.with_(recommended=False))
    return found


def _unjudged(found: Recommendation) -> Recommendation:
    """For files of rows alone: none of them says what is accurate enough."""
    return replace(
        found,
        headline="Nothing is recommended.",
        evidence="These are rows without their run, which knows what is accurate enough.",
        reason="Name the run's folder beside them.",
        verdicts=tuple(
            Verdict("unjudged", "Nothing says what is accurate enough.")
            if each.kind == "limit"
            else each
            for each in found.verdicts
        ),
    )


def _unknown(source: Source) -> RunInfo:
    """What is known of the run of a file of rows: nothing."""
    return RunInfo(
        name=source.name,
        command="",
        created="",
        version="",
        seed=0,
        reference="",
        shipped="",
        labels=(),
        budget=Budget(),
        data={},
        plan={},
        models=(),
    )
