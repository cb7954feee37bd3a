"""Where the kits are: the checkout's ``export/`` where there is one, else the wheel's copy."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from edgecls.errors import EdgeclsError, unknown_name

PACKAGE = Path(__file__).resolve().parent
# Folders of sources, in the languages of devices.
SOURCES = ("cpp", "kotlin", "swift")


def kits_folder() -> Path:
    """The folder that holds one folder a kit. Raises EdgeclsError for a broken installation."""
    for candidate in (PACKAGE.parent / "export", PACKAGE / "_kits"):
        if (candidate / "README.md").is_file() and (candidate / "onnxruntime").is_dir():
            return candidate
    raise EdgeclsError(
        "this installation of edgecls has lost its kits", "pip install --force-reinstall edgecls"
    )


def kit_files(kit: str) -> dict[str, Path]:
    """Bundle-relative name -> installed file, of a kit and of the harness that goes with it."""
    folder = _kit_folder(kit)
    files = {path.relative_to(folder).as_posix(): path for path in _sources(folder)}
    device = PACKAGE / "device"
    files.update({f"harness/{path.name}": path for path in _sources(device)})
    return files


def source_files(name: str) -> dict[str, Path]:
    """Relative name -> installed file, of what people build into programs of their own.

    They go into no bundle. The schema of meta.json, by which they read it, goes with them. Raises
    UsageError for a name that is none of `SOURCES`.
    """
    if name not in SOURCES:
        raise unknown_name("kit", name, SOURCES)
    folder = kits_folder() / name
    files = {path.relative_to(folder).as_posix(): path for path in _sources(folder)}
    files["README.md"] = folder / "README.md"
    files["meta.schema.json"] = kits_folder() / "meta.schema.json"
    return files


def _kit_folder(kit: str) -> Path:
    """Our own kit, or one that another package adds: entry point ``edgecls.kits``, a package.

    The name comes from a bundle's meta.json: it is looked up, never joined to a path unchecked.
    """
    own = {path.name: path for path in kits_folder().iterdir() if (path / "infer.py").is_file()}
    if kit in own:
        return own[kit]
    for entry in entry_points(group="edgecls.kits"):
        if entry.name == kit:
            return _package_folder(entry)
    raise EdgeclsError(
        f"there is no kit {kit!r}", f"installed: {', '.join(sorted(own))}; or install its package"
    )


def _package_folder(entry: EntryPoint) -> Path:
    """The folder of a kit that is a package. Raises EdgeclsError where it is none."""
    try:
        spec = find_spec(entry.value)
    except (ImportError, ValueError):
        spec = None
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "infer.py").is_file():
            return Path(folder)
    raise EdgeclsError(
        f"the kit {entry.name!r} is no package with an infer.py: {entry.value}",
        "reinstall or remove the package that adds it",
    )


def _sources(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md"
    )
