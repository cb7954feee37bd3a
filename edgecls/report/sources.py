"""What a comparison is made from: run folders, and files of rows that `edgecls bench` wrote.

Accuracies can be compared where they are of the same images. A run knows its images by their
content, an older one by its classes in order; a file of rows is about the images of the run whose
bundles it measured, and of none where no run has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecls.core import Measurement, read_results
from edgecls.errors import EdgeclsError, UsageError
from edgecls.report.data import splits
from edgecls.report.rows import HOST, is_measured
from edgecls.rundir import RESULTS, RunInfo, read_arrays


@dataclass(frozen=True)
class Images:
    """Which images the accuracies are of. contents, classes: of test, as hashes.

    validation: the hash of its classes in order; num_validation, counts: of it and of all splits.
    What is not known is empty.
    """

    labels: tuple[str, ...]
    contents: str
    classes: str
    validation: str
    num_validation: str
    counts: str

    def is_same(self, other: Images) -> bool:
        """By the strongest of what both know. A choice is made on validation, so it counts too."""
        pairs = (
            (self.validation, other.validation),
            (self.num_validation, other.num_validation),
        )
        if self.labels != other.labels or any(a and b and a != b for a, b in pairs):
            return False
        if self.contents and other.contents:
            return self.contents == other.contents
        if self.classes and other.classes:
            return self.classes == other.classes
        return self.counts == other.counts


@dataclass(frozen=True)
class Source:
    """One run, or one file of rows. info, images: None of a file. name: no other source's.

    host: what its own machine is called, on which it converts.
    """

    name: str
    path: Path
    rows: tuple[Measurement, ...]
    info: RunInfo | None = None
    images: Images | None = None
    host: str = HOST

    @property
    def bundles(self) -> frozenset[str]:
        """The hashes of those that its rows are of."""
        return frozenset(row.bundle_sha256 for row in self.rows if row.bundle_sha256)

    def shares_bundle(self, other: Source) -> bool:
        return not self.bundles.isdisjoint(other.bundles)


def read(paths: Sequence[Path]) -> list[Source]:
    """Every source, each under a name of its own, with machines told apart.

    Raises UsageError for one that is named twice, EdgeclsError for one that cannot be read.
    """
    files = [path / RESULTS if path.is_dir() else path for path in paths]
    if len({file.resolve() for file in files}) < len(paths):
        raise UsageError("a run is named twice", "name each once")
    return _with_machines(_with_names([_source(path) for path in paths]))


def _source(path: Path) -> Source:
    if path.is_file():
        return _file(path)
    info = RunInfo.read(path)
    if not (path / RESULTS).is_file():
        raise EdgeclsError(f"{path} has no {RESULTS}: it was not measured", "run it to its end")
    rows = tuple(read_results(path / RESULTS))
    return Source(info.name, path, rows, info, _images(path, info, rows))


def _file(path: Path) -> Source:
    rows = tuple(read_results(path))
    if not rows:
        raise EdgeclsError(f"{path} has no rows", "measure again, with: edgecls bench --out")
    return Source(path.stem, path, rows)


def _images(path: Path, info: RunInfo, rows: Sequence[Measurement]) -> Images:
    """What the run's predictions say of its images; those of all rows are of the same."""
    found = {name: sorted(each.items()) for name, each in splits(info.data).items()}
    number = repr(found["validation"]) if "validation" in found else ""
    known = Images(info.labels, "", "", "", number, repr(sorted(found.items())))
    digest = next((row.files["predictions"] for row in rows if "predictions" in row.files), None)
    if digest is None:
        return known
    arrays = read_arrays(path, digest)
    classes, validation = (
        hashlib.sha256(arrays[name].astype("<i8").tobytes()).hexdigest() if name in arrays else ""
        for name in ("test_classes", "val_classes")
    )
    contents = ""
    if "test_images" in arrays:
        hashes = sorted(bytes(each) for each in arrays["test_images"])
        contents = hashlib.sha256(b"".join(hashes)).hexdigest()
    return replace(known, contents=contents, classes=classes, validation=validation)


def _with_names(sources: Sequence[Source]) -> list[Source]:
    """Where two runs have one name, both are called by their paths."""
    names = [source.name for source in sources]
    return [
        replace(source, name=str(source.path)) if names.count(source.name) > 1 else source
        for source in sources
    ]


def _with_machines(sources: Sequence[Source]) -> list[Source]:
    """Each run calls its own machine the host: where those are several, each has its own name."""
    machines = [_machine(source) for source in sources]
    if len({machine for machine in machines if machine is not None}) < 2:
        return list(sources)
    return [
        source if machine is None else _moved(source, machine or f"host of {source.name}")
        for source, machine in zip(sources, machines, strict=True)
    ]


def _moved(source: Source, host: str) -> Source:
    rows = [row.with_(device=host) if row.device == HOST else row for row in source.rows]
    return replace(source, rows=tuple(rows), host=host)


def _machine(source: Source) -> str | None:
    """A source's host by its processor and its cores; empty where no row tells, None without."""
    rows = [row for row in source.rows if row.device == HOST and is_measured(row)]
    if not rows:
        return None
    told = [rows[0].environment.get("cpu"), rows[0].environment.get("cores")]
    name, cores = (str(each) if each else "" for each in told)
    return f"{name}, {cores} cores" if name and cores else name
