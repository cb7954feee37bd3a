"""Python pickles read as data: containers, strings, numbers and arrays of bytes, and nothing else.

A pickle is a program. Of the names that it may call, this reader knows those with which numpy
stores an array, and gives it stand-ins that check what they are told: nothing is imported, no
code of the pickle's choice runs. Any other name is refused.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgecls.data.sources.packed import shown
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 512 << 20
# What the unpickler and the stand-ins raise for data that are damaged or hostile.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def read(path: Path) -> dict[Any, Any]:
    """The dictionary of a pickle with its keys as text; its arrays are uint8.

    Python 2 had one kind of string, read here as latin-1; Python 3 may have written the same
    dictionary with bytes for keys. Raises DataError for anything else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        with path.open("rb") as stream:
            found = _Reader(stream, encoding="latin1").load()
    except _DAMAGED as error:
        raise DataError(
            f"{shown(path)} cannot be used: {error or type(error).__name__}",
            "download it again; pickles that hold more than arrays and lists are not read",
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{shown(path)} holds no dictionary", "download it again")
    return {text(key): _plain(value) for key, value in found.items()}


def text(value: Any) -> Any:
    """Bytes as text, all else as it is."""
    return value.decode("latin1") if isinstance(value, bytes) else value


class _Reader(pickle.Unpickler):
    def __init__(self, stream: Any, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        # Made for this pickle alone: one that changes them changes its own.
        self._known = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._known[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def _plain(value: Any) -> Any:
    return value.array if hasattr(value, "array") else value


def _array(data: object, shape: Any, order: Literal["F", "C"]) -> NDArray[np.uint8]:
    """The bytes as an array. Raises ValueError where they are none, or not as many."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)):
        raise ValueError("an array without its bytes")
    if not all(isinstance(n, int) and n >= 0 for n in shape) or len(raw) != math.prod(shape):
        raise ValueError(f"an array of {len(raw):,} bytes for the shape {str(shape)[:40]}")
    return np.frombuffer(raw, np.uint8).reshape(shape, order=order)


def _stand_ins() -> Mapping[tuple[str, str], Callable[..., Any]]:
    class Kind:
        """numpy.dtype: of unsigned bytes alone."""

        def __init__(self, code: object, *_: object) -> None:
            if code not in ("u1", "|u1"):
                raise ValueError(f"an array of {str(code)[:20]!r}, not of unsigned bytes")

        def __setstate__(self, state: object) -> None:
            return None

    class Array:
        """numpy.ndarray, filled by its state: (version, shape, dtype, is Fortran's, bytes)."""

        array: NDArray[np.uint8]

        def __setstate__(self, state: Any) -> None:
            _, shape, kind, fortran, data = state
            if not isinstance(kind, Kind):
                raise ValueError("an array of no kind")
            self.array = _array(data, shape, "F" if fortran else "C")

    def reconstruct(kind: object, *_: object) -> Array:
        if kind is not Array:
            raise ValueError("an array of another class")
        return Array()

    def from_buffer(data: object, kind: object, shape: Any, order: str, axes: Any = None) -> Array:
        """An array of protocol 5; in the order 'K' its axes are turned once it is filled."""
        found = Array()
        found.__setstate__((1, shape, kind, order == "F", data))
        if order == "K":
            found.array = found.array.transpose(axes)
        return found

    def encode(text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError(f"bytes in {str(encoding)[:20]!r}")
        return text.encode("latin1")

    return {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy.core.numeric", "_frombuffer"): from_buffer,
        ("numpy._core.numeric", "_frombuffer"): from_buffer,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): Kind,
        ("_codecs", "encode"): encode,
    }
