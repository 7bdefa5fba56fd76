"""Read imported clips for an extraction: sort rows by time, check them, yield them in pieces."""

import hashlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError
from ravfeat.importers.base import FeatureFiles, ImportedClip, Rows
from ravfeat.importers.clock import Clock
from ravfeat.importers.encoder import ImportedPiece
from ravfeat.importers.transforms import Transform
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["HELD", "ImportSource", "rows_sha256"]

HELD = "rows without a face that cannot be used: as the last that can/1"
"""How unusable rows without a face are filled; part of the identity where the files say where a face was found."""

_PIECE = 4096  # rows that are transformed at once; bounds memory


class ImportSource:
    """Source of clips from feature files; see `ravfeat.media.source.Source`.

    Parameters
    ----------
    files : FeatureFiles
    imported : mapping of str to ImportedClip
        By the clip ids of the corpus.
    clock : Clock
    transform : Transform
        Decides which rows are usable.
    """

    readers = 4

    def __init__(
        self, files: FeatureFiles, imported: Mapping[str, ImportedClip], clock: Clock, transform: Transform
    ) -> None:
        self._files = files
        self._imported = dict(imported)
        self._clock = clock
        self._transform = transform

    def read(self, clip: Clip, root: Path) -> Generator[ImportedPiece, None, Recording]:
        """Read one clip's rows.

        The recording's ``input_sha256`` is the digest of its rows; where clips are one row each, that of
        performance id and row, so that two performances with equal rows do not count as one recording.
        See `rows_sha256`.

        Raises
        ------
        ClipError
            Where the clip has no rows, their times do not increase, or a row cannot be used.
        MediaError
            Where the file cannot be read.
        """
        imported = self._imported.get(clip.clip_id)
        if imported is None:
            raise ClipError(f"'{clip.clip_id}': no features were brought for this performance")
        rows = self._files.read(imported)
        rows = rows.take(self._clock.order(rows))
        times_s = self._clock.times_s(rows)
        _check_times(imported, times_s)
        values = self._usable(imported, rows)
        columns = {name: rows.facts[name].astype(np.float32) for name in ("found", "confidence") if name in rows.facts}
        for start in range(0, len(values), _PIECE):
            span = slice(start, start + _PIECE)
            yield ImportedPiece(values[span], times_s[span], {name: column[span] for name, column in columns.items()})
        # A single row has few values, so two clips can have equal rows by chance; a digest of the row alone would
        # make the leak check take them for one recording.
        alone = clip.performance_id if self._clock.timed == "clip" else None
        return Recording(len(values), self._clock.rate_hz(imported), rows_sha256(rows, alone))

    def provenance(self) -> dict[str, Any]:
        """Return nothing: reading needs only numpy, which the encoder records."""
        return {}

    def _usable(self, imported: ImportedClip, rows: Rows) -> NDArray[np.float32]:
        """Return the rows as float32; fill unusable rows without a face, refuse other unusable rows."""
        with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is refused below
            values = np.array(rows.values, np.float32)
        finite = np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))
        usable = finite.copy()
        usable[finite] = self._transform.usable(values[finite])
        has_face = rows.facts.get("found", np.ones(len(values))) > 0
        if not has_face.any():
            raise ClipError(f"'{imported.name}': no face was found in any of its {len(values)} rows")
        if (wrong := np.flatnonzero(~usable & has_face)).size:
            complaint = "they are NaN or infinite" if not finite[wrong[0]] else self._transform.complaint
            raise ClipError(
                f"'{imported.name}': {wrong.size} of {len(values)} rows cannot be used, the first is"
                f" {_place(rows, int(wrong[0]))}: {complaint}"
            )
        if usable.all():
            return values
        # Position of the last usable row at or before each row; rows before the first usable one take the first.
        last = np.maximum.accumulate(np.where(usable, np.arange(len(values)), -1))
        return values[np.where(last < 0, np.flatnonzero(usable)[0], last)]


def _place(rows: Rows, row: int) -> str:
    return f"frame {rows.facts['frame'][row]:g}" if "frame" in rows.facts else f"row {row}"


def _check_times(imported: ImportedClip, times_s: NDArray[np.float64]) -> None:
    if not len(times_s):
        raise ClipError(f"'{imported.name}' has no rows")
    if not np.isfinite(times_s).all():
        raise ClipError(f"'{imported.name}' has rows without a time")
    if (still := np.flatnonzero(np.diff(times_s) <= 0)).size:
        raise ClipError(
            f"'{imported.name}' has {still.size} rows at the time of another, the first at {times_s[still[0]]:.3f} s;"
            " every frame must be there once"
        )


def rows_sha256(rows: Rows, performance_id: str | None = None) -> str:
    """Compute the digest of imported rows.

    Parameters
    ----------
    rows : Rows
    performance_id : str, optional
        Hashed too, so that equal rows of two performances have different digests.

    Returns
    -------
    str
        SHA-256 of the rows' little-endian bytes in C order, after ``performance_id`` in UTF-8 and a zero
        byte if it is given.
    """
    little = np.ascontiguousarray(rows.values, dtype=rows.values.dtype.newbyteorder("<"))
    name = b"" if performance_id is None else performance_id.encode() + b"\0"
    return hashlib.sha256(name + little.tobytes()).hexdigest()
