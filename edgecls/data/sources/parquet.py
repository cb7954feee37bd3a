"""pyarrow's tables at one boundary: Parquet files and Arrow streams, some rows at a time.

What is read is checked in full before any of it is used: an Arrow file's offsets are believed by
the library otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.data.sources.packed import shown
from edgecls.errors import DataError, MissingDependency

_BATCH = 256


@dataclass(frozen=True)
class Table:
    """A file that was opened. images: columns that hold encoded images, ``{bytes, path}``.

    features: what Hugging Face `datasets` wrote about the columns, empty where it did not.
    """

    path: Path
    columns: tuple[str, ...]
    images: tuple[str, ...]
    features: dict[str, Any]

    @staticmethod
    def open(path: Path) -> Table:
        """Raises DataError for a file that is damaged, and MissingDependency without pyarrow."""
        arrow = _arrow()
        try:
            if path.suffix == ".arrow":
                with arrow.OSFile(str(path)) as stream, arrow.ipc.open_stream(stream) as reader:
                    schema = reader.schema
            else:
                schema = _parquet().read_schema(path)
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(path, error) from error
        images = [
            field.name
            for field in schema
            if arrow.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        ]
        return Table(path, tuple(schema.names), tuple(images), _features(schema.metadata or {}))

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows as Python values. Raises DataError."""
        arrow = _arrow()
        try:
            for batch in self._batches(arrow, columns):
                batch.validate(full=True)
                yield from batch.select(list(columns)).to_pylist()
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(self.path, error) from error

    def _batches(self, arrow: Any, columns: Sequence[str]) -> Iterator[Any]:
        if self.path.suffix == ".arrow":
            with arrow.OSFile(str(self.path)) as stream, arrow.ipc.open_stream(stream) as reader:
                yield from reader
        else:
            with _parquet().ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=_BATCH, columns=list(columns))


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return (
        {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{shown(path)} cannot be read: {error}", "write or download it again")


def _arrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise MissingDependency("pyarrow", "parquet") from error
    return pa


def _parquet() -> Any:
    _arrow()
    import pyarrow.parquet

    return pyarrow.parquet
