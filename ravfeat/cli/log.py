"""Where messages and progress lines go: stderr, and the file of ``--log``."""

import logging
import sys
from pathlib import Path

from ravfeat.cli.terminal import message

__all__ = ["start_logging"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_TIME = "%Y-%m-%d %H:%M:%S"


def start_logging(verbose: int, file: Path | None) -> None:
    """Set the handlers of ravfeat's loggers; those of an earlier command in this process are closed.

    Parameters
    ----------
    verbose : int
        How often ``-v`` was given: warnings only, progress of the work, everything.
    file : Path, optional
        Gets messages and progress lines, whatever ``verbose`` is.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    level = _LEVELS[min(verbose, 2)]
    # Our own loggers only: libraries that print their messages themselves would print them twice.
    messages, progress = logging.getLogger("ravfeat"), logging.getLogger("ravfeat.progress")
    for handler in {*messages.handlers, *progress.handlers}:
        handler.close()
    to_stderr = _handler(logging.StreamHandler(sys.stderr), "%(levelname)s %(message)s", level)
    messages.handlers[:] = [to_stderr]
    messages.setLevel(level)
    # On a terminal a bar shows the progress, and lines would tear it.
    lines = logging.StreamHandler(sys.stderr)
    progress.handlers[:] = [] if sys.stderr.isatty() else [_handler(lines, "%(asctime)s %(message)s", logging.INFO)]
    progress.propagate = False
    if file is not None:
        to_file = _handler(logging.FileHandler(file, encoding="utf-8"), "%(asctime)s %(message)s", logging.INFO)
        messages.addHandler(to_file)
        progress.addHandler(to_file)
        messages.setLevel(min(level, logging.INFO))
    progress.setLevel(logging.INFO if progress.handlers else logging.WARNING)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return message(super().format(record))


def _handler(handler: logging.Handler, text: str, level: int) -> logging.Handler:
    handler.setFormatter(_Formatter(text, datefmt=_TIME))
    handler.setLevel(level)
    return handler
