"""Which files are meant by a path, and which bytes they hold."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ravfeat.errors import CorpusError
from ravfeat.files import canonical_json, sha256_of

__all__ = ["BroughtFiles", "content_digest", "find_files"]

KINDS = {".npz": "npz", ".csv": "CSV", ".parquet": "Parquet", ".pq": "Parquet"}


@dataclass(frozen=True)
class BroughtFiles:
    """Files of one kind.

    Attributes
    ----------
    root : Path
        What ``names`` are relative to.
    kind : {"npz", "CSV", "Parquet"}
    names : tuple of str
        Sorted, with forward slashes.
    """

    root: Path
    kind: str
    names: tuple[str, ...]


def find_files(path: Path) -> BroughtFiles:
    """Find the feature files at or below a path.

    Raises
    ------
    CorpusError
        Where there is none, or files of several kinds.
    """
    if path.is_file():
        if path.suffix.lower() not in KINDS:
            raise CorpusError(f"{path} is no feature file: expected the ending {', '.join(KINDS)}")
        return BroughtFiles(path.parent, KINDS[path.suffix.lower()], (path.name,))
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist; expected a file or folder of features")
    found = {
        file.relative_to(path).as_posix(): KINDS[file.suffix.lower()]
        for file in path.rglob("*")
        if file.suffix.lower() in KINDS and not file.name.startswith(".") and file.is_file()
    }
    if not found:
        raise CorpusError(f"{path} holds no feature file: expected files that end in {', '.join(KINDS)}")
    counts = Counter(found.values())
    if len(counts) > 1:
        seen = " and ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        raise CorpusError(f"{path} holds {seen} files; expected files of one kind: name one file, or a folder of one")
    return BroughtFiles(path, next(iter(counts)), tuple(sorted(found)))


def content_digest(files: BroughtFiles, array: str, *, named: bool) -> str:
    """Digest of what is brought: the same contents give the same, wherever they lie.

    Parameters
    ----------
    files : BroughtFiles
    array : str
        What of the files is brought.
    named : bool
        Whether the clips' names stand inside the files; otherwise the files' names are contents.
    """
    contents = sorted(["" if named else name, sha256_of(files.root / name)] for name in files.names)
    return hashlib.sha256(canonical_json({"files": contents, "array": array}).encode()).hexdigest()
