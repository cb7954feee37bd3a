"""Where results may lie: never among the images that they are made from."""

from __future__ import annotations

from pathlib import Path

from edgecls.errors import UsageError
from edgecls.recipe import DIGITS


def check(data: str, out: Path) -> None:
    """Raises UsageError for images that are not there, or an `out` that would lie among them.

    data: a recipe's ``data.path``.
    """
    if data == DIGITS:
        return
    images = Path(data)
    if not images.is_dir():
        what = "a file, not a folder" if images.exists() else "not there"
        raise UsageError(f"the folder of images {data} is {what}", "check its path")
    if out.resolve().is_relative_to(images.resolve()):
        raise UsageError(
            f"{out} lies inside the images' folder {data}",
            "choose a folder outside of it with --out",
        )
