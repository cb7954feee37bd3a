"""`run`: a recipe in, a run folder out.

Everything long is a stage in the store, so a run that was killed goes on where it stopped; what is
here is the order of the stages and the names that a run folder gives to their results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgecls import __version__, hardware, report, targets
from edgecls import data as datas
from edgecls.core import Dataset, Measurement, Target, Workload, write_results
from edgecls.errors import UsageError, unknown_name
from edgecls.pipeline import places, pricing, profiling, table, trusting
from edgecls.pipeline.choice import Choice, choose
from edgecls.pipeline.events import Events
from edgecls.pipeline.nets import Net, resolve
from edgecls.pipeline.plan import Plan, draw_up
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import Recipe
from edgecls.rundir import INFO, RESULTS, Budget, RunInfo, write_text
from edgecls.store import Entry, Store, key_of, link, lock
from edgecls.world import world

RECIPE, STORE = "recipe.json", ".store"


@dataclass(frozen=True)
class Prepared:
    """A run before its first training: what is to be done, on which data.

    root: of the images' listing.
    """

    recipe: Recipe
    choice: Choice
    nets: tuple[Net, ...]
    jobs: tuple[table.Job, ...]
    plan: Plan
    data: Entry
    root: Path


@dataclass(frozen=True)
class Finished:
    """Where a run's results are."""

    folder: Path
    report: Path
    rows: tuple[Measurement, ...]
    seconds: float


def run(recipe: Recipe, out: Path, command: str, events: Events, force: bool = False) -> Finished:
    """Do the whole job. command: what the report names as the way to reproduce it.

    Raises BusyError where another process works in `out`, and UsageError where `out` holds
    something else than a run, or the run of another recipe and `force` is not given.
    """
    begin = datetime.now(UTC)
    if world().size > 1:
        raise UsageError(
            "a whole run is the work of one process",
            "train under torchrun with: edgecls train, distill, prune or finetune",
        )
    places.check(recipe.data.path, out)
    places.check_board(recipe)
    kept = json.dumps(recipe.model_dump(by_alias=True), indent=1) + "\n"
    with _claimed(out, kept, force):
        workshop = Workshop(Store(out.parent / STORE), recipe, events)
        prepared = _prepare(workshop)
        write_text(out / RECIPE, kept)
        dataset = datas.load(prepared.data.out, prepared.root)
        models = _models(workshop, prepared, dataset)
        for name, entry in models.items():
            link(out / "models" / name, entry.out)
        reference = _named(recipe, "reference", prepared.nets, 0)
        rows = table.fill(workshop, prepared.jobs, models, prepared.data, dataset, reference, out)
        compared = _compare(workshop, prepared, models, rows, dataset, out)
        info = _info(workshop, prepared, models, out, command, begin)
        info = replace(info, compared=compared)
        marked = report.recommend(rows, info).marked()
        rows = profiling.with_operators(workshop, marked, out)
        info = replace(info, stages=tuple(workshop.done))
        _keep_links(out, {*(f"models/{name}" for name in models), *(row.bundle for row in rows)})
        write_results(out / RESULTS, rows)
        info.write(out)
        written = report.write_report(out)
    seconds = (datetime.now(UTC) - begin).total_seconds()
    return Finished(out, written, tuple(rows), seconds)


@contextmanager
def _claimed(out: Path, recipe: str, force: bool) -> Iterator[None]:
    """Hold `out` for one run of one recipe, given as the text of its RECIPE."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "choose another folder with --out")
    if _is_foreign(out):
        raise UsageError(
            f"{out} is not empty, and not the folder of a run",
            "choose another folder with --out",
        )
    with lock(out / ".lock", wait=False, busy=f"another run is at work in {out}"):
        kept = out / RECIPE
        finished = kept.exists() and (out / RESULTS).exists()
        if finished and not force and kept.read_bytes() != recipe.encode():
            raise UsageError(
                f"{out} holds the finished run of another recipe",
                "choose another folder with --out, or add --force to replace its results",
            )
        try:
            yield
        finally:
            _leave_no_empty(out)


def _leave_no_empty(out: Path) -> None:
    """Remove the folder of a run that failed before it had anything to keep."""
    if [path.name for path in out.iterdir()] == [".lock"]:
        (out / ".lock").unlink()
        out.rmdir()


def _is_foreign(out: Path) -> bool:
    """Whether a folder holds something that no run put there."""
    if not out.is_dir() or (out / RECIPE).exists():
        return False
    # These are what a run leaves that was killed in its first moment.
    return bool({path.name for path in out.iterdir()} - {".lock", RECIPE + ".part"})


def _keep_links(out: Path, names: Set[str | None]) -> None:
    """Remove what an earlier run of another recipe left in ``models`` and ``bundles``."""
    for folder in (out / "models", out / "bundles"):
        for path in sorted(folder.rglob("*"), reverse=True):
            ours = path.is_symlink() and STORE in path.readlink().parts
            if ours and path.relative_to(out).as_posix() not in names:
                path.unlink()
                if path.parent != folder and not any(path.parent.iterdir()):
                    path.parent.rmdir()


def _prepare(workshop: Workshop) -> Prepared:
    """Look at the images, choose, tell the plan, and decode."""
    recipe = workshop.recipe
    images, listing = workshop.listed()
    traits = datas.sniff(listing)
    choice = choose(traits, recipe.data, recipe.models)
    nets = tuple(resolve(choice.models))
    for net in nets:
        pricing.check(net.options)
    ship, reference = _named(recipe, "ship", nets, -1), _named(recipe, "reference", nets, 0)
    jobs = table.jobs(nets, ship, reference, _targets(recipe), recipe.export)
    fingerprint = workshop.fingerprint(listing)
    splits = recipe.data.validation + recipe.data.test
    given = {entry.split for entry in listing.entries}
    num_train = sum(1 for entry in listing.entries if entry.split in (None, "train"))
    held_out = splits if given == {None} else recipe.data.validation
    work = Workload(
        max(1, round(num_train * (1 - held_out))),
        len(listing.labels),
        choice.preprocess,
        recipe.threads,
    )
    data_key = key_of(workshop.data_inputs(fingerprint, choice.preprocess))
    finished = _finished(workshop, nets, data_key)
    plan = draw_up(recipe, choice, nets, work, len(jobs), finished)
    workshop.events.plan(plan.lines)
    data = workshop.data(images, fingerprint, choice.preprocess)
    workshop.tell_left_out(data)
    return Prepared(recipe, choice, nets, jobs, plan, data, listing.root)


def _named(recipe: Recipe, key: str, nets: Sequence[Net], default: int) -> str:
    """The model that the recipe names in that key. default: the place of the one it means else."""
    name: str | None = getattr(recipe, key)
    names = [net.name for net in nets]
    if name is not None and name not in names:
        raise unknown_name(f"model in {key}", name, names)
    return name or names[default]


def _targets(recipe: Recipe) -> list[Target]:
    return [targets.get(name) for name in recipe.export.targets]


def _finished(workshop: Workshop, nets: Sequence[Net], data_key: str) -> dict[str, bool]:
    """Which models the store has already; their keys follow without computing anything."""
    keys: dict[str, str] = {}
    for net in nets:
        parents = {option: keys[parent] for option, parent in net.parents.items()}
        keys[net.name] = key_of(workshop.model_inputs(net, parents, data_key))
    return {name: workshop.store.find(key) is not None for name, key in keys.items()}


def _models(workshop: Workshop, prepared: Prepared, dataset: Dataset) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for net in prepared.nets:
        parents = {option: entries[parent] for option, parent in net.parents.items()}
        entries[net.name] = workshop.model(net, parents, prepared.data, dataset)
    return entries


def _compare(
    workshop: Workshop,
    prepared: Prepared,
    models: dict[str, Entry],
    rows: Sequence[Measurement],
    dataset: Dataset,
    out: Path,
) -> str | None:
    """Every compressed model against its source; the sha256 of what was found."""
    recipe, files = workshop.recipe, datas.describe(prepared.data.out)["splits"]["test"]
    subjects = trusting.Subjects(
        nets=prepared.nets,
        models=models,
        rows=rows,
        ship=_named(recipe, "ship", prepared.nets, -1),
        reference=_named(recipe, "reference", prepared.nets, 0),
        dataset=dataset,
        data=prepared.data,
        files=[row["path"] for row in files],
        out=out,
    )
    compared = trusting.compare_all(workshop, subjects)
    for doubt in report.doubts(compared):
        workshop.events.note(f"warning: {doubt}")
    return trusting.keep(compared, out)


def _info(
    workshop: Workshop,
    prepared: Prepared,
    models: dict[str, Entry],
    out: Path,
    command: str,
    begin: datetime,
) -> RunInfo:
    recipe, described = prepared.recipe, datas.describe(prepared.data.out)
    return RunInfo(
        name=recipe.name,
        command=command,
        created=begin.isoformat(timespec="seconds"),
        version=__version__,
        seed=recipe.seed,
        reference=_named(recipe, "reference", prepared.nets, 0),
        shipped=_named(recipe, "ship", prepared.nets, -1),
        labels=tuple(described["labels"]),
        budget=Budget(**recipe.budget.model_dump()),
        data={
            "source": recipe.data.path,
            "splits": described["counts"],
            "skipped": described["skipped"],
            "duplicates": described["duplicates"],
            "notes": described["notes"],
            "preprocess": described["preprocess"],
            "pictures": datas.keep_contact(prepared.data.out, described["contact"], out),
        },
        plan=prepared.plan.to_json(),
        models=tuple(table.model_info(net, models[net.name], out) for net in prepared.nets),
        stages=tuple(workshop.done),
        environment={
            **hardware.environment(),
            **hardware.versions(
                ("torch", "torchvision", "onnx", "onnxruntime", "openvino", "nncf")
            ),
        },
    )


def is_run(folder: Path) -> bool:
    """Whether a folder holds a finished run."""
    return (folder / INFO).exists() and (folder / RESULTS).exists()
