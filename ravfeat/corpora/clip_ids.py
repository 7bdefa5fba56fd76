"""Ids and paths of the clips of a table: relative to its folder, never with a machine's own folders in them."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

__all__ = ["default_ids", "relative_path"]


def relative_path(text: str, folder: Path) -> PurePosixPath:
    """Return a path of a table relative to a folder, absolute ones too; with forward slashes."""
    # A cache must not remember where a corpus lay on one machine, so absolute paths become relative ones.
    path = PurePosixPath(text.replace("\\", "/"))
    if not path.is_absolute():
        return path
    plain = PurePosixPath(os.path.normpath(path))
    # As it is named, too: what lies behind a link is inside for whoever follows it.
    for base in (folder.absolute(), folder.resolve()):
        if plain.is_relative_to(base.as_posix()):
            return plain.relative_to(base.as_posix())
    return PurePosixPath(os.path.relpath(plain, folder.resolve()))


def default_ids(texts: Sequence[str], folder: Path) -> list[str]:
    """Return the ids of files as a table names them: their paths without the ending.

    A path that was written relative to the table keeps its names, without ``..`` in front. Absolute ones outside of the
    table's folder are cut at the folder that they share.

    Examples
    --------
    >>> default_ids(["wav/a.wav", "../x/b.wav", "/home/me/data/c.wav", "/home/me/data/d/e.wav"], Path("/tables"))
    ['wav/a', 'x/b', 'c', 'd/e']
    """
    paths = [relative_path(text, folder) for text in texts]
    outside = [
        PurePosixPath(text.replace("\\", "/")).is_absolute() and path.parts[:1] == ("..",)
        for text, path in zip(texts, paths, strict=True)
    ]
    folders = [path.parent for path, far in zip(paths, outside, strict=True) if far]
    shared = len(PurePosixPath(os.path.commonpath(folders)).parts) if folders else 0
    names = [path.parts[shared:] if far else path.parts for path, far in zip(paths, outside, strict=True)]
    # A clip's id is a name in the cache, and must not lead out of a folder.
    return [PurePosixPath(*(part for part in parts if part != "..")).with_suffix("").as_posix() for parts in names]
