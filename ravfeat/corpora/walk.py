"""Find files below a folder by their endings."""

import filecmp
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ravfeat.errors import CorpusError

__all__ = ["MEDIA_SUFFIXES", "files_below", "same_bytes"]

MEDIA_SUFFIXES = frozenset({".wav", ".flac", ".mp4", ".mp3", ".ogg", ".m4a", ".avi", ".mov", ".mkv", ".webm"})


def files_below(root: Path, suffixes: Collection[str] = MEDIA_SUFFIXES) -> Iterator[Path]:
    """Find files below a folder, through links to folders, each folder once.

    Parameters
    ----------
    root : Path
    suffixes : collection of str
        Their endings, in lower case.

    Yields
    ------
    Path

    Raises
    ------
    CorpusError
        Where a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise CorpusError(f"{error.filename} cannot be searched ({error.strerror}); check its permissions") from error

    seen = set()
    for folder, below, names in os.walk(root, followlinks=True, onerror=refuse):
        # A link to a parent folder would be walked for ever.
        if (place := os.path.realpath(folder)) in seen:
            below.clear()
            continue
        seen.add(place)
        # Which of two links to a folder is walked must not depend on the file system.
        below.sort()
        for name in names:
            file = Path(folder, name)
            if file.suffix.lower() in suffixes and not name.startswith("."):
                yield file


def same_bytes(path: Path, other: Path) -> bool:
    """Whether two files hold the same; no where one cannot be read."""
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False  # the caller then says that there are two
