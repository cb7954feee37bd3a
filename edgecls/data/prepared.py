"""The folder that `prepare` makes: its only writer and reader.

``<split>.npy`` uint8[N, H, W, C] and ``<split>_classes.npy`` int64[N] for train, validation, test
and calibration; in the place of an array that is too large ``<split>_files.json``, from which it is
streamed; ``golden/000.png`` …; ``contact.jpg``; ``data.json``, written last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecls.core import Dataset, Images
from edgecls.data.listing import SPLITS
from edgecls.data.streamed import File, Streamed
from edgecls.device.preprocess import Preprocess
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 2
NAME = "data.json"
GOLDEN = "golden"
_ALL_SPLITS = (*SPLITS, "calibration")
_FILES = "_files.json"
_CHUNK_BYTES = 1 << 24


def write_split(
    folder: Path,
    split: str,
    tensors: Images,
    rows: Sequence[int],
) -> None:
    """Write those rows of `tensors` as a split, some at a time, so that the memory holds few."""
    shape = (len(rows), *tensors.shape[1:])
    per_chunk = max(1, _CHUNK_BYTES // int(np.prod(tensors.shape[1:])))
    with (folder / f"{split}.npy").open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, len(rows), per_chunk):
            stream.write(tensors[list(rows[start : start + per_chunk])].tobytes())


def write_files(folder: Path, split: str, root: Path, files: Sequence[File]) -> None:
    """Write where a split's images are, so that it is streamed from them."""
    data = {"root": str(root.resolve()), "files": [[file.path, file.sha256] for file in files]}
    # ASCII escapes carry names that are not UTF-8.
    (folder / f"{split}{_FILES}").write_text(json.dumps(data, ensure_ascii=True), encoding="utf-8")


def write_classes(folder: Path, split: str, classes: Sequence[int]) -> None:
    """Write a split's classes, in the order of its images."""
    np.save(folder / f"{split}_classes.npy", np.asarray(classes, np.int64), allow_pickle=False)


def write_golden(folder: Path, images: Sequence[bytes]) -> None:
    """Write golden images as ``golden/000.png`` and on."""
    (folder / GOLDEN).mkdir()
    for index, png in enumerate(images):
        (folder / GOLDEN / f"{index:03d}.png").write_bytes(png)


def write_description(folder: Path, data: Mapping[str, Any]) -> None:
    """Write data.json; adds its format number."""
    text = json.dumps({"format": FORMAT, **data}, indent=1, ensure_ascii=False)
    beside = folder / (NAME + ".part")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(folder / NAME)


def describe(folder: Path) -> dict[str, Any]:
    """data.json: ``labels``, ``preprocess``, ``fingerprint``, ``seed``, ``fractions``,
    ``splits`` (name -> [{path, sha256}], in the order of the arrays), ``counts`` (split -> label ->
    n), ``golden`` ([{file, path}]), ``contact`` (see `Sheet.to_json`), ``streamed`` (the splits
    without an array), ``skipped``, ``duplicates`` and ``notes``.

    Raises DataError where `folder` is none that `prepare` made.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{folder} is no prepared data: {NAME} cannot be read", "prepare the images again"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}", "prepare the images again") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path} has format {found!r}, but this edgecls reads {FORMAT}",
            "prepare the images again",
        )
    return data  # type: ignore[no-any-return]


def load(folder: Path, root: Path | None = None) -> Dataset:
    """The dataset of a prepared folder; its images are mapped, read-only, or streamed, not read.

    root: of the listing, where the images lie now (default: where they lay). Raises DataError
    where a file is missing, damaged, or does not fit data.json.
    """
    data = describe(folder)
    preprocess = Preprocess.from_json(data["preprocess"])
    splits = {}
    for split in _ALL_SPLITS:
        is_streamed = split in data["streamed"]
        images: Images = (
            _stream(folder, split, root, preprocess) if is_streamed else _array(folder, split)
        )
        classes = _array(folder, f"{split}_classes")
        count = len(data["splits"][split])
        if (
            images.dtype != np.uint8
            or images.shape != (count, *preprocess.input_shape[1:])
            or classes.dtype != np.int64
            or classes.shape != (count,)
        ):
            raise DataError(
                f"the {split} arrays of {folder} do not fit its {NAME}", "prepare the images again"
            )
        splits[split] = (images, np.array(classes))
    golden = tuple((folder / row["file"]).read_bytes() for row in data["golden"])
    return Dataset(
        tuple(data["labels"]), preprocess, splits, data["fingerprint"], golden, data["seed"]
    )


def _stream(folder: Path, split: str, root: Path | None, preprocess: Preprocess) -> Streamed:
    path = folder / f"{split}{_FILES}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = [File(str(name), str(digest)) for name, digest in data["files"]]
        return Streamed(root or Path(data["root"]), files, preprocess)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "prepare the images again") from error


def _array(folder: Path, name: str) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", "prepare the images again") from error
    return array
