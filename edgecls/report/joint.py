"""Rows of several runs as one, for each set of images: one plot, one table, one rule.

The recommendation of a device is by the rule over the rows of all runs, with the budget of the
first run. Rows of two runs were not measured side by side, so that no test of a difference between
them is taken over; and a name that two runs give to their models is that of two nets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edgecls.core import Measurement
from edgecls.report.loading import Run
from edgecls.report.recommend import Recommendation, Verdict, recommend
from edgecls.report.rows import scored_bundles, with_accuracy
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
    scored = scored_bundles(row for source in group for row in source.rows)
    pairs = _untimed(
        (source, with_accuracy(row, scored, with_test=True).with_(recommended=False))
        for source in group
        for row in source.rows
    )
    first_run = next((source for source in group if source.info is not None), group[0])
    info = first_run.info or _unknown(first_run)
    hosts = {source.host for source in group}
    found = recommend(_told_apart(pairs, group, first_run), info, hosts=hosts)
    if first_run.info is None:
        found = _unjudged(found)
    return Run(
        info=info,
        rows=tuple(row for _, row in pairs),
        recommendation=found,
        curves={},
        predictions=None,
        baseline=None,
        pictures=(),
        problems=(),
        origins=tuple(source.name for source, _ in pairs),
        references=_references(group),
        first=first,
        among=among,
    )


def _untimed(pairs: Iterable[tuple[Source, Measurement]]) -> list[tuple[Source, Measurement]]:
    """The rows, without tests of latency where a device's quickest row may be another run's."""
    found, homes = list(pairs), dict[str, set[str]]()
    for source, row in found:
        homes.setdefault(row.device, set()).add(source.name)
    return [
        (source, row.with_(latency_p_value=None) if len(homes[row.device]) > 1 else row)
        for source, row in found
    ]


def _told_apart(
    pairs: Sequence[tuple[Source, Measurement]], group: Sequence[Source], first: Source
) -> list[Measurement]:
    """The rows to be judged: a model that is another run's than the first has its run's name too.

    A test against the reference is left to rows of the first run, whose reference it was against.
    """
    homes = [_home(row, source, group) for source, row in pairs]
    owners: dict[str, set[str]] = {}
    for home, (_, row) in zip(homes, pairs, strict=True):
        owners.setdefault(row.model, set()).add(home.name)
    found = []
    for home, (source, row) in zip(homes, pairs, strict=True):
        if home is not first and len(owners[row.model]) > 1:
            row = row.with_(model=f"{row.model} ({home.name})")
        found.append(row if source is first else row.with_(p_value=None))
    return found


def _home(row: Measurement, source: Source, group: Sequence[Source]) -> Source:
    """The run that a row's model is of: of a file's row the first that has its bundle, if any."""
    if source.info is not None or not row.bundle_sha256:
        return source
    runs = [other for other in group if other.info is not None]
    return next((run for run in runs if row.bundle_sha256 in run.bundles), source)


def _references(group: Sequence[Source]) -> dict[str, str]:
    """The model that each source's accuracies are compared with: a file's is that of its run."""
    found = {}
    runs = [source for source in group if source.info is not None]
    for source in group:
        run = source if source.info else next(filter(source.shares_bundle, runs), source)
        found[source.name] = run.info.reference if run.info else ""
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
