"""Methods, applied to the tiny digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from edgecls import methods
from edgecls.core import Context, Dataset

Apply = Callable[..., Path]


@pytest.fixture
def apply(tiny_data: Dataset, tmp_path: Path) -> Apply:
    """Apply the method of that name; returns the new checkpoint's folder."""

    def run(
        name: str,
        parents: Mapping[str, Path] | None = None,
        data: Dataset = tiny_data,
        out: str = "out",
        **options: object,
    ) -> Path:
        for folder in (tmp_path / out, tmp_path / f"{out}-work"):
            folder.mkdir()
        method = methods.get(name)
        given = {option: str(path) for option, path in (parents or {}).items()}
        chosen = method.Options(**{"batch_size": 16, "epochs": 1, **given, **options})
        context = Context(data, 0, tmp_path / f"{out}-work", threads=1)
        method.apply(parents or {}, chosen, context, tmp_path / out)
        return tmp_path / out

    return run


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """Name -> sha256 of every file below a folder."""
    from edgecls.device.meta import sha256

    return lambda folder: {
        path.relative_to(folder).as_posix(): sha256(str(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
