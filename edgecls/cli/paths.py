"""Paths on the command line: one that is not there is a mistake of the command, and ends with 2.

What is there and is wrong is a failure, and ends with 1.
"""

from __future__ import annotations

from pathlib import Path

BUNDLE = "give the folder or the archive of a bundle"
RUN = "give a run's folder, or a file of rows as edgecls bench --out writes it"


def there(fix: str, *paths: Path) -> None:
    """Raises UsageError for the first that is not there."""
    from edgecls.errors import UsageError

    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {path}", fix)
