"""Find the folder that the paths of a manifest are relative to, where its recordings lie now."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.errors import UsageError
from ravfeat.manifest import Manifest

__all__ = ["find_recordings"]


def find_recordings(manifest: Manifest, data: Sequence[Path], what: str) -> Path:
    """Choose the folder under which most of the recordings lie.

    Parameters
    ----------
    manifest : Manifest
        With at least one clip.
    data : sequence of Path
        Folders to choose from, or tables in them; where there are none, ``.`` and ``data/CORPUS``.
    what : str
        Whose recordings they are, for a message.

    Raises
    ------
    UsageError
        Where there is none of them.
    """
    folders = [path if path.is_dir() else path.parent for path in data]
    folders = folders or [Path(), Path("data") / manifest.corpus]
    found = {folder: sum((folder / clip.path).is_file() for clip in manifest) for folder in folders}
    best = max(found, key=found.__getitem__)
    if not found[best]:
        raise UsageError(
            f"the recordings of {what}, such as {manifest.clips[0].path}, are not under"
            f" {' or '.join(map(str, folders))}: give the folder that was given to 'ravfeat extract' with --data DIR"
        )
    return best
