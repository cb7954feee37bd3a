"""Targets and methods by name: one file each, plus what other packages add by entry points.

A listing reads file names and entry-point names, so it imports nothing heavy.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecls.errors import EdgeclsError, unknown_name


def names(package: ModuleType) -> list[str]:
    """Every name of a kind; `package` is ``edgecls.targets`` or ``edgecls.methods``."""
    return sorted({*_files(package), *_entries(package)})


def get(package: ModuleType, kind: str, name: str) -> Any:
    """The part called `name`: the module's ``<KIND>`` or what the entry point loads.

    Raises UsageError for an unknown name; EdgeclsError for an entry point that does not load.
    """
    files = _files(package)
    if name in files:
        return getattr(import_module(f"{package.__name__}.{files[name]}"), kind.upper())
    entries = _entries(package)
    if name not in entries:
        raise unknown_name(kind, name, names(package))
    try:
        return entries[name].load()
    except (ImportError, AttributeError) as error:
        raise EdgeclsError(
            f"the {kind} {name!r} of {entries[name].value} does not load: {error}",
            "reinstall or remove the package that adds it",
        ) from error


def _files(package: ModuleType) -> dict[str, str]:
    folder = Path(package.__path__[0])
    modules = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    return {module.replace("_", "-"): module for module in modules}


@lru_cache(maxsize=4)
def _group(name: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=name))


def _entries(package: ModuleType) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in _group(package.__name__)}
