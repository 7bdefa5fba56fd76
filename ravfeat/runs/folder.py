"""Folders that appear whole or not at all: fill a temporary neighbour, flush it to the disk, rename it."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ravfeat.errors import UsageError
from ravfeat.files import flush, flush_folder
from ravfeat.runs.format import RECIPE_FILE

__all__ = ["check_out", "whole_folder"]


def check_out(
    out: Path, *, force: bool = False, kind: str = "run", known_by: str = RECIPE_FILE, option: str = "--out"
) -> None:
    """Refuse an output folder that holds something or cannot be made, before anything is trained.

    Parameters
    ----------
    out : Path
    force : bool
        Allow a run that is there already.
    kind, known_by : str
        What the folder may hold, and the file that tells.
    option : str
        What the user named it by.

    Raises
    ------
    UsageError
        Where the folder holds something.
    OSError
        Where it cannot be made.
    """
    _tidy(out)
    _check_free(out, force=force, kind=kind, known_by=known_by, option=option)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    neighbour = _neighbour(out, "tmp")
    neighbour.mkdir()
    neighbour.rmdir()


def _check_free(out: Path, *, force: bool, kind: str, known_by: str, option: str) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / known_by).is_file():
            raise UsageError(f"{out} exists and is not a {kind}; choose another {option}")
        if not force:
            raise UsageError(f"{out} already holds a {kind}; choose another {option}, or replace it with --force")


def _tidy(out: Path) -> None:
    """Take away what a killed command left beside a folder; put back what it was about to replace."""
    place = out.resolve()
    if not place.parent.is_dir():
        return
    # Those of other machines on a shared disk may be in use.
    of_this_machine = re.compile(re.escape(f".{place.name}.{socket.gethostname()}-") + r"(\d+)\.(tmp|old)")
    for path in list(place.parent.iterdir()):
        match = of_this_machine.fullmatch(path.name)
        if match is None or _is_alive(int(match[1])):
            continue
        if match[2] == "old" and not place.exists():
            path.rename(place)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def whole_folder(
    out: Path, *, force: bool = False, kind: str = "run", known_by: str = RECIPE_FILE, option: str = "--out"
) -> Iterator[Path]:
    """Lend a temporary neighbour of a folder, which takes its place once it was filled without an error.

    Everything in it is on the disk before it is renamed. Whatever was there is gone then, and untouched otherwise; see
    `check_out`.

    Raises
    ------
    UsageError
        Where something came there in the meantime.
    """
    place, temporary, old = out.resolve(), _neighbour(out, "tmp"), _neighbour(out, "old")
    try:
        temporary.mkdir()
        yield temporary
        flush_folder(temporary)  # or a crash after the rename may leave the name of a run with empty files
        # Another command may have been quicker.
        _check_free(out, force=force, kind=kind, known_by=known_by, option=option)
        if place.exists():
            place.rename(old)  # a moment later the name stands for the new folder
        temporary.rename(place)
        flush(place.parent)  # where the name stands
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def _neighbour(out: Path, ending: str) -> Path:
    place = out.resolve()  # of a link the place that it points to; of "." the folder's own name
    return place.with_name(f".{place.name}.{socket.gethostname()}-{os.getpid()}.{ending}")
