"""Converters that print, log and warn as they please, kept away from the user's terminal.

Their C++ writes to the descriptor itself, and their Python changes the logging of the whole
process: both are put back. Text that came before an error is no part of it, the error says enough.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on stdout or stderr, no warning, and logging as it was before."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        _descriptor_away(2),
        _logging_kept(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _descriptor_away(number: int) -> Iterator[None]:
    try:
        kept = os.dup(number)
    except OSError:  # closed: nobody could see it
        yield
        return
    try:
        with tempfile.TemporaryFile() as elsewhere:
            sys.stderr.flush()
            os.dup2(elsewhere.fileno(), number)
            try:
                yield
            finally:
                os.dup2(kept, number)
    finally:
        os.close(kept)


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Give every logger back its level, its handlers and whether it passes records on."""
    before = {logger: _state(logger) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            if logger in before:
                level, handlers, passes, disabled = before[logger]
                logger.setLevel(level)
                logger.handlers[:] = handlers
                logger.propagate, logger.disabled = passes, disabled


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _state(logger: logging.Logger) -> tuple[int, list[logging.Handler], bool, bool]:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled
