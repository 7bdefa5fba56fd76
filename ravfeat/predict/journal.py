"""Keep the predictions of an unfinished command, so that the same command goes on after an interruption."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from ravfeat.documents import parse_json
from ravfeat.errors import PredictionsError
from ravfeat.files import canonical_json, read_limited, replace_file

__all__ = ["Journal"]

_MAX_BYTES = 1 << 30
_REMEDY = "remove it"

Rows = list[dict[str, Any]]


class Journal:
    """Rows of the recordings that are done, in a file beside the one that is to be written.

    Use it in a ``with`` block; a block that ends without an error removes the file.

    Parameters
    ----------
    out : Path or None
        The file that is to be written; its folder may be new. None keeps nothing.
    about : mapping
        What decides the rows: head, options. A journal of another command is not continued.
    names : collection of str
        The recordings that are asked for.

    Attributes
    ----------
    done : dict of str to list of dict
        Rows by recording; of an interrupted command only those that had all answers and are unchanged.
    """

    def __init__(self, out: Path | None, about: Mapping[str, Any], names: Collection[str]) -> None:
        self._path = None if out is None else out.with_name(f".{out.name}.unfinished")
        self._names = frozenset(names)
        self._key = hashlib.sha256(canonical_json(dict(about)).encode()).hexdigest()
        self.done: dict[str, Rows] = {}
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._read(self._path)
        # Written anew, without the line that was being written when the command was ended.
        lines = [json.dumps(self._key), *(_line(name, rows) for name, rows in self.done.items())]
        replace_file(self._path, "".join(f"{line}\n" for line in lines).encode())
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None or self._path is None:
            return
        self._file.close()
        if kind is None:
            self._path.unlink(missing_ok=True)
        elif isinstance(error, KeyboardInterrupt):
            error.add_note(f"the predictions of {len(self.done)} recordings are kept in {self._path}")

    def add(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the rows of a recording."""
        self.done[name] = [dict(row) for row in rows]
        if self._file is not None:
            self._file.write(f"{_line(name, self.done[name])}\n")
            self._file.flush()

    def _read(self, path: Path) -> None:
        key, *lines = read_limited(path, _MAX_BYTES, PredictionsError, _REMEDY).split(b"\n")
        if key != json.dumps(self._key).encode():
            return
        names = {_plain(name): name for name in self._names}
        # What follows the last end of a line is not whole.
        for number, line in enumerate(lines[:-1], start=2):
            where = f"{path}, line {number}"
            plain, stamp, rows = parse_json(line, tuple[str, list[int], Rows], where, PredictionsError, _REMEDY)
            name = names.get(plain)
            # Recordings that were changed since then, or had no answer, are predicted again.
            if name is not None and stamp == _stamp(name) and all(row.get("status") == "ok" for row in rows):
                self.done[name] = rows


def _line(name: str, rows: Rows) -> str:
    return json.dumps([_plain(name), _stamp(name), rows])


def _plain(name: str) -> str:
    # Names on a disk need not be text.
    return name.encode("utf-8", "backslashreplace").decode()


def _stamp(name: str) -> list[int]:
    """Say by what a change of a recording is noticed: size and time of the last change."""
    try:
        status = Path(name).stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
