"""Find the feature files below a path, and compute the digest of their contents."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ravfeat.errors import CorpusError
from ravfeat.files import canonical_json, sha256_of

__all__ = ["FeaturePaths", "content_digest", "find_files"]

KINDS = {".npz": "npz", ".csv": "CSV", ".parquet": "Parquet", ".pq": "Parquet"}


@dataclass(frozen=True)
class FeaturePaths:
    """Paths of feature files, all of one kind.

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


def find_files(path: Path) -> FeaturePaths:
    """Find the feature files at or below a path.

    Raises
    ------
    CorpusError
        Where there is none, or files of several kinds.
    """
    if path.is_file():
        if path.suffix.lower() not in KINDS:
            raise CorpusError(f"{path} is no feature file: expected the ending {', '.join(KINDS)}")
        return FeaturePaths(path.parent, KINDS[path.suffix.lower()], (path.name,))
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist; expected a file or folder of features")
    kinds = {
        file.relative_to(path).as_posix(): KINDS[file.suffix.lower()]
        for file in path.rglob("*")
        # Hidden files are copies that macOS and editors leave.
        if file.suffix.lower() in KINDS and not file.name.startswith(".") and file.is_file()
    }
    if not kinds:
        raise CorpusError(f"{path} holds no feature file: expected files that end in {', '.join(KINDS)}")
    counts = Counter(kinds.values())
    if len(counts) > 1:
        seen = " and ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        raise CorpusError(f"{path} holds {seen} files; expected files of one kind: name one file, or a folder of one")
    return FeaturePaths(path, next(iter(counts)), tuple(sorted(kinds)))


def content_digest(files: FeaturePaths, array: str, *, named: bool) -> str:
    """Compute the digest of the imported contents, which does not depend on where the files lie.

    Parameters
    ----------
    files : FeaturePaths
    array : str
        The array or columns that are imported.
    named : bool
        Whether the files contain clip names. Otherwise the file names say which clip is which, so they
        are hashed too.
    """
    # Sorted by what is hashed: files that hold names may be called and ordered otherwise.
    contents = sorted(["" if named else name, sha256_of(files.root / name)] for name in files.names)
    return hashlib.sha256(canonical_json({"files": contents, "array": array}).encode()).hexdigest()
