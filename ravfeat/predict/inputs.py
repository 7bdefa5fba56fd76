"""List the recordings that are to be predicted: files, folders of them, and tables of paths."""

from collections.abc import Iterable
from pathlib import Path

from ravfeat.corpora.ravdess import MEDIA_SUFFIXES
from ravfeat.corpora.tables import name_columns, read_table
from ravfeat.errors import CorpusError, UsageError
from ravfeat.media.sound import SOUNDFILE_SUFFIXES

__all__ = ["list_recordings"]

_MEDIA = (
    MEDIA_SUFFIXES | SOUNDFILE_SUFFIXES | {".aac", ".mka", ".m4v", ".mpg", ".mpeg", ".opus", ".wma", ".wmv", ".3gp"}
)
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq"})


def list_recordings(inputs: Iterable[Path]) -> list[Path]:
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
    for path in inputs:
        if path.is_dir():
            found = _in_folder(path)
        elif path.suffix.lower() in _TABLES:
            found = _in_table(path)
        else:
            found = [path]
        if not found:
            raise UsageError(f"{path} has no recordings; expected files such as .wav, .flac, .mp4 or .webm")
        recordings |= dict.fromkeys(found)
    return list(recordings)


def _in_folder(folder: Path) -> list[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _MEDIA)
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _in_table(path: Path) -> list[Path]:
    table, unread = name_columns(path, read_table(path, speaker_as_actor=False), ["path"])
    if "path" not in table.column_names:
        raise CorpusError(f"{path} has no column 'path'; its columns are {', '.join(unread)}")
    names = table.column("path").to_pylist()
    if empty := [number for number, name in enumerate(names, start=2) if not isinstance(name, str) or not name.strip()]:
        raise CorpusError(f"{path}, line {empty[0]}: no path ({len(empty)} such lines)")
    return [path.parent / name.strip() for name in names]
