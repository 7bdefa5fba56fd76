"""List the recordings that are to be predicted: files, folders of them, and tables of paths."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ravfeat.corpora.tables import name_columns, read_table
from ravfeat.corpora.walk import MEDIA_SUFFIXES
from ravfeat.errors import CorpusError, UsageError
from ravfeat.media.sound import SOUNDFILE_SUFFIXES

__all__ = ["Listed", "list_recordings"]

_MEDIA = (
    MEDIA_SUFFIXES | SOUNDFILE_SUFFIXES | {".aac", ".mka", ".m4v", ".mpg", ".mpeg", ".opus", ".wma", ".wmv", ".3gp"}
)
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq"})


@dataclass(frozen=True)
class Listed:
    """Recordings that were found.

    Attributes
    ----------
    paths : tuple of Path
    left_out : mapping of str to int
        What was in folders and is no recording by its name, by suffix; ``linked folder`` for those.
    """

    paths: tuple[Path, ...]
    left_out: Counter[str]


def list_recordings(inputs: Iterable[Path]) -> Listed:
    """List recordings, each once, in the order in which they are named.

    Parameters
    ----------
    inputs : iterable of Path
        Recordings; folders, of which every recording is taken, subfolders too, but no hidden one; tables (CSV, Parquet)
        with a column ``path`` (or ``file``), relative to the table's folder. A file of any other name is a recording.

    Raises
    ------
    UsageError
        For a folder or a table without recordings.
    CorpusError
        For a table that cannot be read.
    """
    recordings: dict[Path, None] = {}
    left_out = Counter[str]()
    for path in inputs:
        if path.is_dir():
            found, others = _in_folder(path)
            left_out += others
        elif path.suffix.lower() in _TABLES:
            found = _in_table(path)
        else:
            found = [path]
        if not found:
            raise UsageError(f"{path} has no recordings; expected files such as .wav, .flac, .mp4 or .webm")
        recordings |= dict.fromkeys(found)
    return Listed(tuple(recordings), left_out)


def _in_folder(folder: Path) -> tuple[list[Path], Counter[str]]:
    recordings, left_out = list[Path](), Counter[str]()
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_dir():
            left_out.update(["linked folder"] if path.is_symlink() else [])
        elif path.suffix.lower() in _MEDIA:
            recordings.append(path)
        else:
            left_out[path.suffix.lower() or "without a suffix"] += 1
    return recordings, left_out


def _in_table(path: Path) -> list[Path]:
    table, unread = name_columns(path, read_table(path, speaker_as_actor=False), ["path"])
    if "path" not in table.column_names:
        raise CorpusError(f"{path} has no column 'path'; its columns are {', '.join(unread)}")
    names = table.column("path").to_pylist()
    if empty := [number for number, name in enumerate(names, start=2) if not isinstance(name, str) or not name.strip()]:
        raise CorpusError(f"{path}, line {empty[0]}: no path ({len(empty)} such lines)")
    return [path.parent / name.strip() for name in names]
