"""Where results may lie: never among the images that they are made from, nor over other things.

What is new is written beside and renamed into place when it is whole.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from edgecls.data import is_source
from edgecls.data.sources import UNDERSTOOD
from edgecls.device.meta import NAME as META
from edgecls.errors import UsageError
from edgecls.evaluation import NAME as EVALUATION
from edgecls.models.checkpoint import JSON
from edgecls.recipe import DIGITS


def check(data: str, out: Path) -> None:
    """Raises UsageError for images that are not there, or an `out` that would lie among them.

    data: a recipe's ``data.path``.
    """
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
    if out.resolve().is_relative_to(images.resolve()):
        raise UsageError(
            f"{out} lies inside the images' folder {data}",
            "choose a folder outside of it with --out",
        )


def free(out: Path, force: bool, sources: Iterable[Path]) -> None:
    """Raises UsageError unless `out` may be written; `force` replaces our own results alone.

    sources: what the new one is made from, and so is never replaced by it.
    """
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
    ours = any((out / name).is_file() for name in (JSON, META, EVALUATION))
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
