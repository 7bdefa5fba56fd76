"""Features in CSV or Parquet: one row per clip or per frame, with a column that says whose row it is.

Without such a column (`ravfeat.importers.columns.NAME_COLUMNS`) every file is one clip, called like the
file, as OpenFace writes them. Rows are frames where there is a column ``frame``, ``timestamp`` or
``time_s``, or where all names have several rows; where all names have one, they are clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CorpusError, MediaError
from ravfeat.importers.base import BroughtClip, Rows, Timed, mean_rate_hz
from ravfeat.importers.cells import Cells, read_cells, read_header
from ravfeat.importers.columns import Columns, sort_columns
from ravfeat.importers.file_cache import Kept
from ravfeat.importers.input_files import BroughtFiles

__all__ = ["TableFiles"]


@dataclass(frozen=True)
class _Table:
    """One file: its cells, and the rows of each clip."""

    cells: Cells
    clips: Mapping[str, NDArray[np.intp]]


class TableFiles:
    """Tables of one layout; see `ravfeat.importers.base.FeatureFiles`.

    Parameters
    ----------
    files : BroughtFiles
    array : str, optional
        Beginnings of the feature columns, with commas between them; None takes all.

    Raises
    ------
    CorpusError
        Where a file is no table, holds text where numbers should be, or has other columns than the first.
    UsageError
        Where no column begins with ``array``.
    """

    def __init__(self, files: BroughtFiles, array: str | None = None) -> None:
        self._root = files.root
        self._columns = {name: _columns(files.root / name, array) for name in files.names}
        first, columns = next(iter(self._columns.items()))
        for name, other in self._columns.items():
            _check_alike(files.root, first, columns, name, other)
        self.kind = files.kind
        self.array = array or "all columns"
        self.shape = columns.shape
        self.named = bool(columns.name)
        self.facts = frozenset(columns.facts)
        self._tables = Kept(self._load, lambda table: table.cells.features.nbytes)
        self.timed, self.clips = self._survey(files.names)

    def read(self, clip: BroughtClip) -> Rows:
        """Give the rows of one clip."""
        try:
            table = self._tables(clip.file)
        except CorpusError as error:  # it was a table when it was surveyed
            raise MediaError(str(error)) from error
        own = table.clips[clip.name][: clip.n_frames]  # one row per clip may be there twice
        return Rows(table.cells.features[own].reshape(len(own), *self.shape), self._facts(table, clip.file, own))

    def _facts(self, table: _Table, file: str, own: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
        facts = {fact: table.cells.numbers[column][own] for fact, column in self._columns[file].facts.items()}
        if "found" in facts:
            facts["found"] = (facts["found"] > 0).astype(np.float64)
        return facts

    def _load(self, name: str) -> _Table:
        columns = self._columns[name]
        # The first file decides the order of the dimensions.
        ordered = Columns(columns.name, columns.face, columns.facts, self._order, columns.shape)
        cells = read_cells(self._root / name, ordered)
        rows: dict[str, list[int]] = {}
        for row, clip in enumerate(cells.names or [_stem(name)] * len(cells.features)):
            rows.setdefault(clip, []).append(row)
        own = {clip: np.array(numbers, np.intp) for clip, numbers in rows.items()}
        if columns.face:
            own = {clip: _one_face(numbers, cells.numbers[columns.face]) for clip, numbers in own.items()}
        return _Table(cells, own or {_stem(name): np.zeros(0, np.intp)})

    @property
    def _order(self) -> tuple[str, ...]:
        return next(iter(self._columns.values())).features

    def _survey(self, names: tuple[str, ...]) -> tuple[Timed, tuple[BroughtClip, ...]]:
        """Read every file once, to know whose rows it holds and how many."""
        clips, differing = [], []
        for name in names:
            table = self._tables(name)
            for position, (clip, own) in enumerate(table.clips.items()):
                if len(own) > 1 and not _equal_rows(table.cells.features[own]):
                    differing.append(clip)
                times_s = self._facts(table, name, own).get("time_s")
                rate_hz = None if times_s is None else mean_rate_hz(times_s)
                clips.append(BroughtClip(clip, name, position, len(own), rate_hz))
        if "time_s" in self.facts:
            return "times", tuple(clips)
        if "frame" in self.facts:
            return "frames", tuple(clips)
        alone = [clip.name for clip in clips if clip.n_frames == 1]
        if not alone:
            return "rows", tuple(clips)
        if differing:
            raise CorpusError(
                f"{self._root / clips[0].file}: '{alone[0]}' has one row and '{differing[0]}' several that differ; give"
                " a column 'frame' where rows are frames, or leave one row per clip"
            )
        return "clip", tuple(BroughtClip(clip.name, clip.file, clip.position, 1) for clip in clips)


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _columns(path: Path, array: str | None) -> Columns:
    return sort_columns(str(path), read_header(path), array)


def _check_alike(root: Path, first: str, columns: Columns, name: str, other: Columns) -> None:
    pairs = {
        "features": (set(columns.features), set(other.features)),
        "name columns": ({columns.name}, {other.name}),
        "facts of every row": (set(columns.facts), set(other.facts)),
    }
    for what, (one, two) in pairs.items():
        if one != two:
            raise CorpusError(
                f"{root / first} and {root / name} have different {what}: {len(one)} and {len(two)}, only one of them"
                f" has {', '.join(sorted(one ^ two)[:5])}; import them one by one"
            )


def _equal_rows(rows: NDArray[np.float32]) -> bool:
    return bool((rows == rows[:1]).all())


def _one_face(own: NDArray[np.intp], face: NDArray[np.float64]) -> NDArray[np.intp]:
    """Keep the face that is seen most often, of several such the first."""
    faces, counts = np.unique(face[own], return_counts=True)
    return np.asarray(own[face[own] == faces[counts.argmax()]])
