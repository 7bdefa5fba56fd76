"""Read features from CSV or Parquet: one row per clip or per frame, with a column for the clip name.

Without such a column (`ravfeat.importers.columns.NAME_COLUMNS`) every file is one clip with the file's name,
as OpenFace writes them. Rows are frames where there is a column ``frame``, ``timestamp`` or ``time_s``, or where
all names have several rows; where each name has one row, rows are clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CorpusError, MediaError
from ravfeat.importers.base import ImportedClip, Rows, Timed, mean_rate_hz
from ravfeat.importers.column_checks import ColumnRanges, check_columns
from ravfeat.importers.columns import Columns, classify_columns
from ravfeat.importers.feature_table import FeatureTable, read_feature_table, read_header
from ravfeat.importers.file_cache import FileCache
from ravfeat.importers.input_files import FeaturePaths
from ravfeat.manifest import Clip

__all__ = ["TableFiles"]


@dataclass(frozen=True)
class _Table:
    """One file: its cells, and the rows of each clip."""

    cells: FeatureTable
    clips: Mapping[str, NDArray[np.intp]]


class TableFiles:
    """Tables of one layout; see `ravfeat.importers.base.FeatureFiles`.

    Parameters
    ----------
    files : FeaturePaths
    array : str, optional
        Prefixes of the feature columns, separated by commas; None takes all.
    named : sequence of str
        Columns that are features whatever they are called and hold; alone, they are all that is taken.

    Raises
    ------
    CorpusError
        Where a file is not a table, has text in place of numbers, or other columns than the first file.
    UsageError
        Where no column has a prefix of ``array``, or there is no column that was named.
    """

    def __init__(self, files: FeaturePaths, array: str | None = None, named: Sequence[str] = ()) -> None:
        self._root = files.root
        self._columns = {
            name: classify_columns(str(files.root / name), read_header(files.root / name), array, named)
            for name in files.names
        }
        first, columns = next(iter(self._columns.items()))
        for name, other in self._columns.items():
            _check_alike(files.root, first, columns, name, other)
        self.kind = files.kind
        # Part of the identity: what was named is no longer told from the number of columns alone.
        self.array = (array or "all columns") if not named else f"{array or ''} {','.join(sorted(named))}".strip()
        self.shape = columns.shape
        self.named = bool(columns.name)
        self.facts = frozenset(columns.facts)
        self._ranges = ColumnRanges()
        self._tables = FileCache(self._load, lambda table: table.cells.features.nbytes)
        self.timed, self.clips = self._survey(files.names)

    def read(self, clip: ImportedClip) -> Rows:
        """Read the rows of one clip."""
        try:
            table = self._tables(clip.file)
        except CorpusError as error:  # changed since `_survey`: now one clip fails, not the import
            raise MediaError(str(error)) from error
        rows = table.clips[clip.name][: clip.n_frames]  # where rows are clips, equal duplicates are cut off
        return Rows(table.cells.features[rows].reshape(len(rows), *self.shape), self._facts(table, clip.file, rows))

    def _facts(self, table: _Table, file: str, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
        facts = {fact: table.cells.numbers[column][rows] for fact, column in self._columns[file].facts.items()}
        if "found" in facts:
            facts["found"] = (facts["found"] > 0).astype(np.float64)
        return facts

    def _load(self, name: str) -> _Table:
        columns = self._columns[name]
        # Files may list the same columns in different order; the first file's order is the order of the dimensions.
        cells = read_feature_table(self._root / name, replace(columns, features=self.taken))
        rows: dict[str, list[int]] = {}
        for row, clip in enumerate(cells.names or [_stem(name)] * len(cells.features)):
            rows.setdefault(clip, []).append(row)
        clips = {clip: np.array(numbers, np.intp) for clip, numbers in rows.items()}
        if columns.face:
            clips = {clip: _one_face(numbers, cells.numbers[columns.face]) for clip, numbers in clips.items()}
        # A table without rows is still a clip, which the source then refuses by name.
        return _Table(cells, clips or {_stem(name): np.zeros(0, np.intp)})

    @property
    def taken(self) -> tuple[str, ...]:
        """Columns that are features, in the order of the dimensions."""
        return next(iter(self._columns.values())).features

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns that are known to be no features, of any file."""
        return tuple(dict.fromkeys(name for columns in self._columns.values() for name in columns.left_out))

    def check(self, clips: Mapping[ImportedClip, Clip]) -> None:
        """Refuse columns that number the rows or are a function of label or actor, unless they were named.

        Parameters
        ----------
        clips : mapping of ImportedClip to Clip
            What the corpus says of the imported clips.

        Raises
        ------
        CorpusError
        """
        check_columns(
            str(self._root / self.clips[0].file if len(self._columns) == 1 else self._root),
            self.taken,
            self._ranges,
            per_clip=all(clip.n_frames == 1 for clip in self.clips),
            labels={(imported.file, imported.name): clip.label for imported, clip in clips.items()},
            actors={(imported.file, imported.name): clip.actor for imported, clip in clips.items()},
            allowed=next(iter(self._columns.values())).chosen,
        )

    def _survey(self, names: tuple[str, ...]) -> tuple[Timed, tuple[ImportedClip, ...]]:
        """Read every file once, to list its clips and count their rows."""
        clips, differing = [], []
        for name in names:
            table = self._tables(name)
            for position, (clip, rows) in enumerate(table.clips.items()):
                if len(rows) > 1 and not _equal_rows(table.cells.features[rows]):
                    differing.append(clip)
                self._ranges.add(name, clip, table.cells.features[rows])
                times_s = self._facts(table, name, rows).get("time_s")
                rate_hz = None if times_s is None else mean_rate_hz(times_s)
                clips.append(ImportedClip(clip, name, position, len(rows), rate_hz))
        if "time_s" in self.facts:
            return "times", tuple(clips)
        if "frame" in self.facts:
            return "frames", tuple(clips)
        # Neither times nor frame numbers. Where all names have several rows, rows are frames.
        alone = [clip.name for clip in clips if clip.n_frames == 1]
        if differing and any(columns.segmented for columns in self._columns.values()):
            raise CorpusError(
                f"{self._root / clips[0].file}: '{differing[0]}' has several rows with a start or an end, and parts of"
                " a file cannot be imported yet; leave one row per clip, or call the column 'timestamp' (in seconds)"
                " where rows are frames"
            )
        if not alone:
            return "rows", tuple(clips)
        # One row for some names and several for others: several equal ones are the same row written twice.
        if differing:
            raise CorpusError(
                f"{self._root / clips[0].file}: '{alone[0]}' has one row and '{differing[0]}' several that differ; give"
                " a column 'frame' where rows are frames, or leave one row per clip"
            )
        return "clip", tuple(ImportedClip(clip.name, clip.file, clip.position, 1) for clip in clips)


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _check_alike(root: Path, first: str, columns: Columns, name: str, other: Columns) -> None:
    pairs = {
        "features": (set(columns.features), set(other.features)),
        "name columns": ({columns.name}, {other.name}),
        "facts of every row": (set(columns.facts), set(other.facts)),
    }
    for aspect, (left, right) in pairs.items():
        if left != right:
            raise CorpusError(
                f"{root / first} and {root / name} have different {aspect}: {len(left)} and {len(right)}, only one of"
                f" them has {', '.join(sorted(left ^ right)[:5])}; import them one by one"
            )


def _equal_rows(rows: NDArray[np.float32]) -> bool:
    return bool((rows == rows[:1]).all())


def _one_face(rows: NDArray[np.intp], face: NDArray[np.float64]) -> NDArray[np.intp]:
    """Keep the rows of the face that occurs most often; of several such faces, the lowest number."""
    faces, counts = np.unique(face[rows], return_counts=True)
    return np.asarray(rows[face[rows] == faces[counts.argmax()]])
