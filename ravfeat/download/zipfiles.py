"""Unpack a zip archive safely: every entry's name is checked before anything is written."""

import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ravfeat.errors import DownloadError

__all__ = ["check_names", "unpack"]

# Exceptions of zipfile on damaged archives, e.g. UnicodeDecodeError (a ValueError) for a name.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OverflowError,
    MemoryError,
    RuntimeError,
)
MAX_RATIO = 100
FREE_BYTES = 64 << 20
"""What may come out of an archive: so many times its size, and this much in any case."""
ENCRYPTED = 0x1  # bit of a zip entry's general purpose flags


def unpack(archive: Path, folder: Path, target: Callable[[str], Path | None]) -> list[Path]:
    """Unpack selected files of a zip archive into a folder.

    All names are checked before the first byte is written; links and special files are never created.

    Parameters
    ----------
    archive : Path
    folder : Path
        Must exist. The caller removes it when this raises.
    target : callable
        Maps an entry's name to its path relative to `folder`, or to None to leave it out.

    Returns
    -------
    list of Path
        Paths of the files relative to `folder`, in the order of the archive.

    Raises
    ------
    DownloadError
        The archive is no regular file, damaged or encrypted, an entry would leave the folder or is a link, two
        entries map to the same path, much more would come out than went in, or the disk is too small.
    """
    if not archive.is_file():
        raise DownloadError(f"{archive} is not there, or no regular file; fetch it again")
    try:
        with zipfile.ZipFile(archive) as file:
            check_names(archive, file.infolist())
            wanted = _placed(archive, file.infolist(), target)
            _check_space(archive, folder, sum(entry.file_size for entry in wanted.values()))
            for place, entry in wanted.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                # x: an existing file is never overwritten.
                with file.open(entry) as packed, (folder / place).open("xb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
    except UNREADABLE as error:
        raise DownloadError(f"{archive} is no readable zip archive ({error}); remove it and run this again") from error
    except OSError as error:
        raise DownloadError(
            f"{archive} could not be unpacked into {folder}: {error.strerror or error}; "
            "free some space or check who may write there, then run this again"
        ) from error
    return list(wanted)


def check_names(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive with an entry that is not a plain file or folder below its root.

    Raises
    ------
    DownloadError
        Names the archive and the entry.
    """
    for entry in entries:
        problem = _problem(entry)
        if problem:
            raise DownloadError(
                f"{archive}: the entry {entry.filename!r} {problem}; nothing was unpacked. "
                "This is not the archive it should be: remove it and do not use it"
            )


def _problem(entry: zipfile.ZipInfo) -> str | None:
    name = entry.orig_filename  # as stored; zipfile cuts `filename` at a zero byte, which could hide a name
    path = PurePosixPath(name)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not path.name:
        return "has no name"
    if path.is_absolute() or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in path.parts:
        return "leads out of the folder"
    if "\\" in name or "\0" in name:
        return "has a character that no honest path contains"
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    # 0: archives made on Windows hold no mode.
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a special file"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    return None


def _placed(
    archive: Path, entries: list[zipfile.ZipInfo], target: Callable[[str], Path | None]
) -> dict[Path, zipfile.ZipInfo]:
    wanted: dict[Path, zipfile.ZipInfo] = {}
    for entry in entries:
        place = None if entry.is_dir() else target(entry.filename)
        if place is None:
            continue
        if place in wanted:
            first = wanted[place].filename
            raise DownloadError(f"{archive}: the entries {first!r} and {entry.filename!r} both want to be {place}")
        wanted[place] = entry
    return wanted


def _check_space(archive: Path, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"{archive} unpacks to {needed / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free; "
            "free some space or choose another folder, then run this again"
        )
    size = archive.stat().st_size
    if needed > MAX_RATIO * size + FREE_BYTES:
        raise DownloadError(
            f"{archive} has {size} bytes and unpacks to {needed / 1e6:.0f} MB; nothing was unpacked. No recording packs"
            " so well: remove it and do not use it"
        )
