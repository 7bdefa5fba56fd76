"""Brought features as a source of clips: ordered in time, checked, in pieces."""

import hashlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError
from ravfeat.importers.base import BroughtClip, FeatureFiles, Rows
from ravfeat.importers.clock import Clock
from ravfeat.importers.encoder import Brought
from ravfeat.importers.transforms import Transform
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["HELD", "ImportSource", "rows_sha256"]

HELD = "rows without a face that cannot be used: as the last that can/1"
"""What happens to rows that say themselves that no face was found; part of the identity where there are such."""

_PIECE = 4096


class ImportSource:
    """Reads clips from feature files; see `ravfeat.media.source.Source`.

    Parameters
    ----------
    files : FeatureFiles
    brought : mapping of str to BroughtClip
        By the clip ids of the corpus.
    clock : Clock
    transform : Transform
        Says which rows can be used.
    """

    ahead = 64

    def __init__(
        self, files: FeatureFiles, brought: Mapping[str, BroughtClip], clock: Clock, transform: Transform
    ) -> None:
        self._files = files
        self._brought = dict(brought)
        self._clock = clock
        self._transform = transform

    def read(self, clip: Clip, root: Path) -> Generator[Brought, None, Recording]:
        """Read one clip's rows.

        The recording's ``input_sha256`` is that of its rows; where clips are one row each, that of the
        performance's name and the row, so that equal rows of two performances do not make them one
        recording. See `rows_sha256`.

        Raises
        ------
        ClipError
            Where it has none, they do not rise in time, or one cannot be used.
        MediaError
            Where the file cannot be read.
        """
        brought = self._brought.get(clip.clip_id)
        if brought is None:
            raise ClipError(f"'{clip.clip_id}': no features were brought for this performance")
        rows = self._files.read(brought)
        rows = rows.take(self._clock.order(rows))
        times_s = self._clock.times_s(rows)
        _check_times(brought, times_s)
        values = self._usable(brought, rows)
        columns = {name: rows.facts[name].astype(np.float32) for name in ("found", "confidence") if name in rows.facts}
        for start in range(0, len(values), _PIECE):
            own = slice(start, start + _PIECE)
            yield Brought(values[own], times_s[own], {name: column[own] for name, column in columns.items()})
        # One row has few values, and others may well have the same: two clips are not one recording for that.
        alone = clip.performance_id if self._clock.timed == "clip" else None
        return Recording(len(values), self._clock.rate_hz(brought), rows_sha256(rows, alone))

    def provenance(self) -> dict[str, Any]:
        """Nothing but numpy takes part."""
        return {}

    def _usable(self, brought: BroughtClip, rows: Rows) -> NDArray[np.float32]:
        """Give the rows as float32, or say which cannot be used."""
        with np.errstate(over="ignore"):  # becomes infinite and is refused
            values = np.array(rows.values, np.float32)
        finite = np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))
        usable = finite.copy()
        usable[finite] = self._transform.usable(values[finite])
        found = rows.facts.get("found", np.ones(len(values))) > 0
        if not found.any():
            raise ClipError(f"'{brought.name}': no face was found in any of its {len(values)} rows")
        if (wrong := np.flatnonzero(~usable & found)).size:
            what = "they are NaN or infinite" if not finite[wrong[0]] else self._transform.complaint
            raise ClipError(
                f"'{brought.name}': {wrong.size} of {len(values)} rows cannot be used, the first is"
                f" {_place(rows, int(wrong[0]))}: {what}"
            )
        if usable.all():
            return values
        last = np.maximum.accumulate(np.where(usable, np.arange(len(values)), -1))
        return values[np.where(last < 0, np.flatnonzero(usable)[0], last)]


def _place(rows: Rows, row: int) -> str:
    return f"frame {rows.facts['frame'][row]:g}" if "frame" in rows.facts else f"row {row}"


def _check_times(brought: BroughtClip, times_s: NDArray[np.float64]) -> None:
    if not len(times_s):
        raise ClipError(f"'{brought.name}' has no rows")
    if not np.isfinite(times_s).all():
        raise ClipError(f"'{brought.name}' has rows without a time")
    if (still := np.flatnonzero(np.diff(times_s) <= 0)).size:
        raise ClipError(
            f"'{brought.name}' has {still.size} rows at the time of another, the first at {times_s[still[0]]:.3f} s;"
            " every frame must be there once"
        )


def rows_sha256(rows: Rows, performance_id: str | None = None) -> str:
    """Digest of the rows as they were brought.

    Parameters
    ----------
    rows : Rows
    performance_id : str, optional
        Where equal rows of two performances are to have two digests.

    Returns
    -------
    str
        SHA-256 of the rows' little-endian bytes in C order, after ``performance_id`` in UTF-8 and a zero
        byte where it is given.
    """
    little = np.ascontiguousarray(rows.values, dtype=rows.values.dtype.newbyteorder("<"))
    name = b"" if performance_id is None else performance_id.encode() + b"\0"
    return hashlib.sha256(name + little.tobytes()).hexdigest()
