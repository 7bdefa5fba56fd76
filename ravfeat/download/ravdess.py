"""Download and unpack RAVDESS speech from Zenodo, with checksums.

RAVDESS comes from Zenodo record 1188976 (Livingstone & Russo 2018, CC BY-NC-SA 4.0), whose
metadata lists links, sizes and checksums. Only speech is downloaded: one archive with the audio of
all actors, and one archive of video per actor. Songs are not downloaded.

Conventions
-----------
``folder/audio/Actor_01/*.wav`` and ``folder/video/Actor_01/*.mp4``. An actor's folder gets its name when
it is complete and contains a list of its files (``.unpacked.json``); an archive is deleted when all its
actors have been unpacked.
"""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from typing_extensions import TypedDict

from ravfeat.documents import Bytes
from ravfeat.documents import read_json as read_document
from ravfeat.download.http import Checksum, read_json, transfer
from ravfeat.download.zipfiles import unpack
from ravfeat.errors import DownloadError, UsageError

__all__ = ["RECORD_URL", "RavdessDownload", "download_ravdess", "fetch"]

RECORD_URL = "https://zenodo.org/api/records/1188976"
ACTORS = range(1, 25)
MARKER = ".unpacked.json"
SPEECH_NAME = re.compile(r"0[123]-01(?:-\d\d){4}-(\d\d)\.(?:wav|mp4)")


@dataclass(frozen=True)
class RavdessDownload:
    """Result of a download.

    Attributes
    ----------
    folder : Path
    fetched : tuple of str
        Archives that were downloaded.
    unpacked, present : tuple of str
        New actor folders, and those that existed before, e.g. ``audio/Actor_01``.
    skipped : int
        Files in the archives that are not speech clips.
    """

    folder: Path
    fetched: tuple[str, ...]
    unpacked: tuple[str, ...]
    present: tuple[str, ...]
    skipped: int


@dataclass(frozen=True)
class _Archive:
    """One archive of the record and its actors."""

    key: str
    kind: str
    actors: tuple[int, ...]

    def places(self, wanted: Iterable[int]) -> dict[int, str]:
        return {actor: f"{self.kind}/Actor_{actor:02d}" for actor in wanted if actor in self.actors}


class _Links(TypedDict):
    self: str


class _Entry(TypedDict):
    key: str
    links: _Links
    checksum: str
    size: Bytes


class _Record(TypedDict):
    files: list[_Entry]


@dataclass(frozen=True)
class _Promise:
    """Address, checksum and size of one file of the record."""

    url: str
    checksum: Checksum
    size: int


def fetch(url: str, dest: Path, *, sha256: str) -> Path:
    """Download a file with a known checksum, unless it exists already.

    Parameters
    ----------
    url : str
    dest : Path
    sha256 : str
        64 hexadecimal digits.

    Returns
    -------
    Path
        `dest`.

    Raises
    ------
    DownloadError
        As `ravfeat.download.http.transfer`.
    """
    transfer(url, dest, Checksum.parse(f"sha256:{sha256}"))
    return dest


def download_ravdess(
    folder: Path,
    *,
    audio: bool = True,
    video: bool = False,
    actors: Iterable[int] = ACTORS,
    record_url: str = RECORD_URL,
) -> RavdessDownload:
    """Download and unpack RAVDESS speech; a repeated call only adds missing parts.

    Parameters
    ----------
    folder : Path
    audio : bool, default True
        0.2 GB, in one archive for all actors.
    video : bool, default False
        About 0.5 GB per actor: with sound (01-) and without (02-).
    actors : iterable of int, default 1 to 24
        Actors to unpack, and whose video archives to download.
    record_url : str
        Address of the record's metadata.

    Raises
    ------
    UsageError
        Neither audio nor video, no actor, or an actor outside 1 to 24.
    DownloadError
        See `ravfeat.download.http.transfer` and `ravfeat.download.zipfiles.unpack`; also when the record lacks
        a file, or an actor's folder was changed or not made by this function.
    """
    wanted = sorted(set(actors))
    if not (audio or video) or not wanted or not set(wanted) <= set(ACTORS):
        raise UsageError(f"expected audio, video or both, of actors 1 to 24; got {audio=}, {video=}, actors={wanted}")
    archives = _archives(wanted, audio=audio, video=video)
    present = {place for archive in archives for place in archive.places(wanted).values() if _whole(folder / place)}
    missing = [archive for archive in archives if not present.issuperset(archive.places(wanted).values())]
    # The record is not asked for what is there already, so a whole download works offline.
    promises = _read_record(record_url, missing, folder) if missing else {}
    fetched: list[str] = []
    unpacked: list[str] = []
    skipped = 0
    for archive in missing:
        promise, path = promises[archive.key], folder / archive.key
        if transfer(promise.url, path, promise.checksum, size=promise.size):
            fetched.append(archive.key)
        places = {actor: place for actor, place in archive.places(wanted).items() if place not in present}
        skipped += _unpack_actors(path, folder, places)
        unpacked += places.values()
        # The archive of all voices stays while some of its actors have not been asked for.
        if all(_whole(folder / place) for place in archive.places(archive.actors).values()):
            path.unlink()
    return RavdessDownload(folder, tuple(fetched), tuple(unpacked), tuple(sorted(present)), skipped)


def _archives(wanted: Iterable[int], *, audio: bool, video: bool) -> list[_Archive]:
    sound = [_Archive("Audio_Speech_Actors_01-24.zip", "audio", tuple(ACTORS))] if audio else []
    pictures = [_Archive(f"Video_Speech_Actor_{actor:02d}.zip", "video", (actor,)) for actor in wanted]
    return sound + (pictures if video else [])


def _read_record(url: str, archives: list[_Archive], folder: Path) -> dict[str, _Promise]:
    """Look up all needed files in the record, before the first one is downloaded."""
    keys = [archive.key for archive in archives]
    by_hand = f"fetch {', '.join(keys)} from https://zenodo.org/records/1188976 by hand and unpack below {folder}"
    record = read_json(url, _Record, by_hand)
    promises = {
        entry["key"]: _Promise(entry["links"]["self"], Checksum.parse(entry["checksum"]), entry["size"])
        for entry in record["files"]
        if entry["key"] in keys
    }
    absent = [key for key in keys if key not in promises]
    if absent:
        raise DownloadError(f"{url}: the record lists no {', '.join(absent)}; {by_hand}")
    return promises


def _whole(place: Path) -> bool:
    """Whether an actor's folder exists; refuse a folder whose files changed since it was unpacked."""
    if not place.exists():
        return False
    remedy = "move it away and run this again"
    if not (place / MARKER).is_file():
        raise DownloadError(f"{place} exists, but was not unpacked by ravfeat (no readable {MARKER}); {remedy}")
    listed = read_document(place / MARKER, dict[str, Bytes], DownloadError, remedy)
    damaged = [name for name, size in listed.items() if not _has_size(place / name, size)]
    if damaged:
        raise DownloadError(f"{place} is not as it was unpacked: {', '.join(damaged[:3])} lost or changed; {remedy}")
    return True


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _unpack_actors(archive: Path, folder: Path, places: dict[int, str]) -> int:
    """Unpack some actors into a temporary folder, then rename; return the number of other files."""
    # Inside the folder, hence on its disk, where renaming cannot fail halfway.
    partial = folder / ".unpacking"
    skipped = 0

    def target(name: str) -> Path | None:
        nonlocal skipped
        match = SPEECH_NAME.fullmatch(PurePosixPath(name).name)
        skipped += match is None
        return Path(match[1], match[0]) if match and int(match[1]) in places else None

    try:
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed run
        partial.mkdir()
        unpack(archive, partial, target)
        for actor, place in places.items():
            _settle(partial / f"{actor:02d}", folder / place, archive)
    except OSError as error:
        raise DownloadError(
            f"{archive} could not be unpacked into {folder}: {error.strerror or error}; "
            "free some space or check who may write there, then run this again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return skipped


def _settle(source: Path, place: Path, archive: Path) -> None:
    """Write an unpacked actor's list of files, then give the folder its final name."""
    if not source.is_dir():
        raise DownloadError(f"{archive} holds no speech clips of {place.name}; the others that were asked for are kept")
    # The list before the name: a folder with its final name is complete.
    sizes = {path.name: path.stat().st_size for path in sorted(source.iterdir())}
    (source / MARKER).write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    place.parent.mkdir(parents=True, exist_ok=True)
    source.rename(place)
