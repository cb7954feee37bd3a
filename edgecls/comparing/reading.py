"""One of the two runs, read for the comparison: its rows, their answers and their latencies.

A run is its folder (`edgecls.rundir`) or a file of rows alone, as ``edgecls bench --out`` writes
it; side files of the latter are in a ``files`` folder beside it. What is absent makes a figure
`Incomparable`; what is damaged raises EdgeclsError, for a gate does not pass over it.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.comparing.values import Incomparable
from edgecls.comparing.words import plain
from edgecls.core import Measurement, read_results
from edgecls.errors import EdgeclsError
from edgecls.rundir import FILES, INFO, RESULTS, RunInfo, read_arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What rows of two runs are matched by. The last is a count where several rows are alike in it.
Key = tuple[str, str, str, str, str, int]
# What numpy raises for a file that is no .npz, or a cut one.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Answers:
    """A row's answers on the test images. classes: int64[N], the true ones; right: bool[N].

    images: the sha256 of each as bytes of length 32, None where the run did not keep them.
    num_classes: that the model knows.
    """

    classes: NDArray[np.int64]
    right: NDArray[np.bool_]
    images: NDArray[np.bytes_] | None
    num_classes: int


@dataclass(frozen=True)
class Side:
    """name: ``OLD`` or ``NEW``. root: where its ``files`` are. labels: None for a file of rows."""

    name: str
    path: Path
    root: Path
    labels: tuple[str, ...] | None
    rows: Mapping[Key, Measurement]

    def answers(self, row: Measurement) -> Answers:
        """Raises Incomparable where none were kept, EdgeclsError where they cannot be right."""
        import numpy as np

        arrays = self._arrays(row, "predictions", "answers for each image")
        predicted, num_classes = self._predicted(arrays, row)
        (classes,) = self._named(arrays, row, "test_classes")
        images = arrays.get("test_images")
        fits = classes.ndim == 1 and classes.shape == predicted.shape and classes.size > 0
        if not fits or classes.dtype.kind not in "iu":
            raise self._damaged(row, "its answers do not fit its images")
        if images is not None and not _are_hashes(images, len(classes)):
            raise self._damaged(row, "test_images does not hold a sha256 for each image")
        right = predicted == classes
        if row.top1 is not None and not np.isclose(row.top1, right.mean(), rtol=0, atol=1e-6):
            told = f"{row.top1:.2%}, and its answers are right on {right.mean():.2%}"
            raise self._damaged(row, f"its accuracy is {told}")
        named = None if images is None else np.ascontiguousarray(images).view("S32").ravel()
        return Answers(classes, right, named, num_classes)

    def _predicted(
        self, arrays: Mapping[str, NDArray[Any]], row: Measurement
    ) -> tuple[NDArray[np.int64], int]:
        """The class that was answered for each image, and how many classes there are.

        A device tells its answers alone: then ``num_classes`` stands beside them.
        """
        import numpy as np

        if "test_predicted" in arrays and "test_logits" not in arrays:
            told, count = self._named(arrays, row, "test_predicted", "num_classes")
            if told.dtype.kind not in "iu" or count.dtype.kind not in "iu" or count.size != 1:
                raise self._damaged(row, "its answers are no numbers of classes")
            return told, int(count.item())
        (logits,) = self._named(arrays, row, "test_logits")
        if logits.ndim != 2 or not logits.size:
            raise self._damaged(row, "its answers do not fit its images")
        if logits.dtype.kind != "f" or not np.isfinite(logits).all():
            raise self._damaged(row, "its logits are not finite numbers", "convert it again")
        return logits.argmax(axis=1), logits.shape[1]

    def launches(self, row: Measurement) -> NDArray[np.float64]:
        """The median of each process launch in milliseconds, in order. Raises as `answers`."""
        import numpy as np

        arrays = self._arrays(row, "latencies", "single latencies")
        latency, launch = self._named(arrays, row, "latency_ms", "launch")
        fits = latency.ndim == 1 and latency.shape == launch.shape and latency.size > 0
        if not fits or latency.dtype.kind != "f" or launch.dtype.kind not in "iu":
            raise self._damaged(row, "its latencies do not fit their launches")
        if not np.isfinite(latency).all() or latency.min() <= 0:
            raise self._damaged(row, "its latencies are not numbers above 0")
        p50 = row.latency_p50_ms
        share = 1e-3  # a row's figure is rounded, samples may be float32
        if p50 is not None and not (
            (latency < p50 * (1 - share)).mean() <= 0.5 <= (latency <= p50 * (1 + share)).mean()
        ):
            told = f"{p50:.4g} ms, and its latencies say {np.median(latency):.4g} ms"
            raise self._damaged(row, f"its p50 is {told}")
        return np.array([np.median(latency[launch == number]) for number in np.unique(launch)])

    def _arrays(self, row: Measurement, kind: str, what: str) -> dict[str, NDArray[Any]]:
        digest = row.files.get(kind)
        if not isinstance(digest, str):
            raise Incomparable(f"{self.name} keeps no {what}")
        if not (self.root / FILES / f"{digest}.npz").is_file():
            raise Incomparable(f"{self.name} keeps no {what}: files/{digest[:8]}….npz is missing")
        try:
            return read_arrays(self.root, digest)
        except EdgeclsError:
            raise
        except _DAMAGE as error:
            raise self._damaged(row, f"its {kind} are no readable .npz ({error})") from error

    def _named(
        self, arrays: Mapping[str, NDArray[Any]], row: Measurement, *names: str
    ) -> list[NDArray[Any]]:
        lacking = [name for name in names if name not in arrays]
        if lacking:
            raise self._damaged(row, f"a side file lacks {' and '.join(lacking)}")
        return [arrays[name] for name in names]

    def _damaged(self, row: Measurement, what: str, fix: str = "run it again") -> EdgeclsError:
        return EdgeclsError(f"{self.path}: {plain(row.name)}: {what}", fix)


def _are_hashes(images: NDArray[Any], count: int) -> bool:
    return images.shape == (count, 32) and images.dtype == "uint8"


def read(path: Path, name: str) -> Side:
    """Raises EdgeclsError where `path` is neither a finished run nor a file of rows."""
    if path.is_file() and path.name != INFO:
        return Side(name, path, path.parent, None, _keyed(_rows(path)))
    if not path.exists():
        raise EdgeclsError(f"there is no {path}", _KINDS)
    folder = path.parent if path.name == INFO else path
    labels = RunInfo.read(folder).labels
    if not isinstance(labels, tuple) or not all(isinstance(label, str) for label in labels):
        raise EdgeclsError(f"{folder / INFO} is damaged: its labels are no texts", "run it again")
    if not (folder / RESULTS).is_file():
        raise EdgeclsError(
            f"{folder} has no {RESULTS}: it was not measured, or not to its end",
            "finish it with: edgecls run",
        )
    return Side(name, folder, folder, labels, _keyed(_rows(folder / RESULTS)))


def _rows(path: Path) -> list[Measurement]:
    rows = read_results(path)
    if not rows:
        raise EdgeclsError(f"{path} has no rows", _KINDS)
    return rows


_KINDS = "give the folder of a run, or a file of rows as edgecls bench --out writes it"


def _keyed(rows: list[Measurement]) -> dict[Key, Measurement]:
    found: dict[Key, Measurement] = {}
    seen = Counter[tuple[str, str, str, str, str]]()
    for row in rows:
        alike = (row.model, row.target, row.precision, row.device, row.scenario)
        seen[alike] += 1
        found[(*alike, seen[alike])] = row
    return found
