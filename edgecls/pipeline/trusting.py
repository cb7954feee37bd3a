"""What compression did to the models of a run: every compressed one against its source.

A checkpoint's source is the model that its method changed: what was pruned or trained for int8 is
compared with the net as it was before, and what was distilled with its teacher, for it is to take
the teacher's place. A converted row's source is its own checkpoint in PyTorch. Small steps add up,
so the shipped model and its compressed rows stand against the run's reference model too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecls import targets
from edgecls.compared import Compared
from edgecls.core import Dataset, Logits, Measurement
from edgecls.errors import EdgeclsError
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline import conversion, hardness
from edgecls.pipeline.hardness import Answered, Changed
from edgecls.pipeline.nets import Net
from edgecls.pipeline.pairs import Judged, Shown, compare
from edgecls.pipeline.workshop import Workshop, scored
from edgecls.robustness.comparison import corrected
from edgecls.rundir import add_file, read_arrays
from edgecls.store import Entry

END_TO_END = "end to end"
FLOAT = "fp32"


@dataclass(frozen=True)
class Subjects:
    """The run's models and rows. files: of the test images. out: the run's folder."""

    nets: Sequence[Net]
    models: Mapping[str, Entry]
    rows: Sequence[Measurement]
    ship: str
    reference: str
    dataset: Dataset
    data: Entry
    files: Sequence[str]
    out: Path


def compare_all(workshop: Workshop, subjects: Subjects) -> Compared:
    """All comparisons of a run, their pictures kept as side files of its folder."""
    judge = _Judge(workshop, subjects)
    classes = np.asarray(subjects.dataset["test"][1])
    shown = Shown(
        subjects.out,
        subjects.dataset["test"][0],
        classes,
        subjects.files,
        subjects.dataset.preprocess.mode,
    )
    found = [
        compare(judge.judged(model), judge.judged(source), step, shown, judge.changed)
        for model, source, step in _pairs(subjects, workshop.recipe.robustness.rows)
    ]
    section = workshop.recipe.robustness
    return Compared(
        comparisons=tuple(corrected(found)),
        max_drop=workshop.recipe.budget.max_drop,
        max_excess=section.max_excess,
        constants=judge.changed.constants if judge.changed else "",
        notes=tuple(dict.fromkeys(judge.notes)),
    )


def keep(compared: Compared, out: Path) -> str | None:
    """Keep the comparisons as a side file; returns its sha256, None where there are none."""
    return add_file(out, compared.to_json().encode(), "json") if compared.comparisons else None


Subject = str | Measurement


def _pairs(subjects: Subjects, which: str) -> Iterator[tuple[Subject, Subject, str]]:
    """(model, source, step): a name is a checkpoint in PyTorch."""
    sources = {net.name: next(iter(net.parents.values()), None) for net in subjects.nets}
    for net in subjects.nets:
        source = sources[net.name]
        if source is not None:
            yield net.name, source, net.method.name
        if net.name == subjects.ship and subjects.reference not in (net.name, source):
            yield net.name, subjects.reference, END_TO_END
    for row in subjects.rows:
        if _is_judged(row, which):
            yield row, row.model, row.precision
            if row.model != subjects.reference:
                yield row, subjects.reference, END_TO_END


def _is_judged(row: Measurement, which: str) -> bool:
    """which: the recipe's ``robustness.rows``. The reference in PyTorch is its checkpoint again."""
    if "predictions" not in row.files or targets.get(row.target).host_only:
        return False
    return which == "all" or row.precision != FLOAT


class _Judge:
    """The answers of each subject, found once. notes: what could not be looked at, and why."""

    def __init__(self, workshop: Workshop, subjects: Subjects) -> None:
        self._workshop, self._subjects = workshop, subjects
        self._judged: dict[str, Judged] = {}
        self._answered: dict[str, Answered] = {}
        self.notes: list[str] = []
        self.changed: Changed | None = None
        section = workshop.recipe.robustness
        if section.enabled:
            images, classes = subjects.dataset["test"]
            mode = subjects.dataset.preprocess.mode
            seed = workshop.recipe.seed
            self.changed = hardness.draw(section, images, classes, mode, seed)

    def judged(self, subject: Subject) -> Judged:
        name = subject if isinstance(subject, str) else subject.name
        if name not in self._judged:
            found = self._model(subject) if isinstance(subject, str) else self._row(subject)
            self._judged[name] = found
        return self._judged[name]

    def _model(self, name: str) -> Judged:
        entry, subjects = self._subjects.models[name], self._subjects
        images, _ = scored(subjects.dataset)
        answers = conversion.answers(self._workshop, name, entry, subjects.data, images)
        logits = conversion.load_logits(answers, ("test",))["test"]
        return self._with(name, name, logits, self._checkpoint(name))

    def _row(self, row: Measurement) -> Judged:
        out = self._subjects.out
        logits = read_arrays(out, row.files["predictions"])["test_logits"]
        return self._with(row.name, row.model, logits, self._bundle(row))

    def _with(self, name: str, model: str, logits: Logits, answered: Answered | None) -> Judged:
        heat = checkpoints.load(self._subjects.models[model].out).temperature
        return Judged(name, logits, heat, answered)

    def _checkpoint(self, name: str) -> Answered | None:
        if self.changed is None:
            return None
        if name not in self._answered:
            found = hardness.of_checkpoint(
                self._workshop, name, self._subjects.models[name].out, self.changed
            )
            if found.reason:
                self.notes.append(f"{name} was not attacked: {found.reason}")
            self._answered[name] = found
        return self._answered[name]

    def _bundle(self, row: Measurement) -> Answered | None:
        source = self._checkpoint(row.model)
        if source is None or self.changed is None or row.bundle is None:
            return None
        bundle = (self._subjects.out / row.bundle).resolve()
        label = f"{row.model}: {row.target} {row.precision}"
        try:
            return hardness.of_bundle(
                self._workshop, label, bundle, row.model, source, self.changed
            )
        except EdgeclsError as error:
            # The report leaves this machine.
            cause = error.cause.replace(str(bundle), row.bundle)
            self.notes.append(f"{label} did not answer the changed images: {cause}")
            return None
