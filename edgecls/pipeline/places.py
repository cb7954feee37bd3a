"""Where results may lie: never among the images that they are made from, nor over other things.

What is new is written beside and renamed into place when it is whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from edgecls.data import is_source
from edgecls.data.inspection import FIGURES
from edgecls.data.sources import UNDERSTOOD
from edgecls.device.meta import NAME as META
from edgecls.errors import UsageError
from edgecls.evaluation import NAME as EVALUATION
from edgecls.models.checkpoint import JSON
from edgecls.recipe import DIGITS, Recipe
from edgecls.store import located


def check(data: str, out: Path) -> None:
    """Raises UsageError for images that are not there, or an `out` that would lie among them.

    data: a recipe's ``data.path``.
    """
    writable(out)
    if not data.strip():
        raise UsageError("the images' folder is the empty text", "name a folder with --data")
    if data == DIGITS or is_source(data):
        return
    images = Path(data)
    if not images.is_dir():
        what = "a file, not a folder" if images.exists() else "not there"
        raise UsageError(
            f"the folder of images {data} is {what}",
            f"check its path; understood are: {UNDERSTOOD}",
        )
    _outside(images, out, "--out")


def check_board(recipe: Recipe) -> None:
    """Raises UsageError where TensorBoard's files cannot be written as the recipe wants it."""
    if recipe.tensorboard is None:
        return
    folder, option = Path(recipe.tensorboard), "--tensorboard"
    if Path(recipe.data.path).is_dir():
        _outside(Path(recipe.data.path), folder, option)
    writable(folder, option)
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{folder} is a file, and TensorBoard's files need a folder",
            f"choose another one with {option}",
        )


def _outside(images: Path, out: Path, option: str) -> None:
    if out.resolve().is_relative_to(images.resolve()):
        raise UsageError(
            f"{out} lies inside the images' folder {images}",
            f"choose a folder outside of it with {option}",
        )


def writable(out: Path, option: str = "--out") -> None:
    """Raises UsageError where `out` cannot be made or changed: found by trying, beside it.

    option: how the user chose it.
    """
    try:
        reason = _unwritable(out)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        reason = str(error.strerror)
    if reason:
        raise UsageError(
            f"{out} cannot be written: {reason}",
            f"choose a place where you may write with {option}",
        )


def _unwritable(out: Path) -> str:
    """Why nothing can be written there; empty where it can."""
    whole = out.absolute()
    if whole.is_symlink() and not whole.exists():
        return "it is a link that leads nowhere"
    if whole.is_dir() and not os.access(whole, os.W_OK):
        return "you may not write there"
    place = next((each for each in whole.parents if os.path.lexists(each)), whole)
    if not place.is_dir():
        return f"{place} is not a folder"
    try:
        Path(tempfile.mkdtemp(prefix=".edgecls-", dir=place)).rmdir()
    except OSError as error:
        return f"nothing can be made in {place}: {error.strerror}"
    return ""


def free(out: Path, force: bool, sources: Iterable[Path]) -> None:
    """Raises UsageError unless `out` may be written; `force` replaces our own results alone.

    sources: what the new one is made from, and so is never replaced by it.
    """
    writable(out)
    if not out.exists():
        return
    for source in sources:
        if source.resolve().is_relative_to(out.resolve()):
            raise UsageError(
                f"{out} holds {source}, which it would replace",
                "choose another folder with --out",
            )
    if not force:
        raise UsageError(
            f"{out} exists already", "choose another folder with --out, or add --force"
        )
    ours = any((out / name).is_file() for name in (JSON, META, EVALUATION, FIGURES))
    if not out.is_dir() or (any(out.iterdir()) and not ours):
        raise UsageError(
            f"{out} is no result of edgecls, and --force replaces nothing else",
            "choose another folder with --out",
        )


def place(out: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder beside `out`, and rename it into place when it is whole.

    What was there, which `free` has looked at, is removed only once the new folder stands.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        part, old = beside / "new", beside / "old"
        part.mkdir()
        with located(out.parent):
            write(part)
        if out.exists():
            out.rename(old)
        try:
            part.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(beside)
