"""Checks shared by audio and video decoding: missing, empty and truncated files; messages of decoders."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from ravfeat.errors import MediaError
from ravfeat.files import describe_stand_in

__all__ = ["check_file", "check_limit", "check_whole", "open_media", "promised_s", "reason_of"]

_MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_ESTIMATED = frozenset({"aac", "ac3", "dts", "eac3", "loas"})
"""FFmpeg's names of formats without a length: what it tells is estimated from the first packets."""


_PLAYLISTS = (b"#EXTM3U", b"ffconcat")
_BUFFER = 1 << 18


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """Open a file with FFmpeg, which gets this file and nothing else.

    Some formats only name other files or addresses (playlists): with the path, FFmpeg would open those too, and the
    recording of a stranger could show what lies on this machine.

    Yields
    ------
    av.container.InputContainer
    """
    # The file itself is not opened by one of FFmpeg's protocols; all others are forbidden.
    options = {"protocol_whitelist": "none"}
    with path.open("rb") as file, av.open(file, options=options, buffer_size=_BUFFER) as container:
        yield container


def check_limit(path: Path, length_s: float, limit_s: float) -> None:
    """Refuse to decode more than what was allowed, whatever a header promised.

    Raises
    ------
    MediaError
    """
    if length_s > limit_s:
        raise MediaError(f"{path} is longer than the {limit_s:g} s that are read here; take a part of it")


def check_file(path: Path) -> None:
    """Refuse a path that is not a file, an empty file, and a text that stands in for a recording.

    Raises
    ------
    MediaError
        Where the path is not a file, or the file is empty, a pointer of Git LFS or git-annex, a web page, or a
        playlist.
    OSError
        Where the system cannot examine the path.
    """
    if not path.is_file():
        missing = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "not there"
        raise MediaError(f"{path} is {'not a file' if path.exists() else missing}")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes)")
    if stand_in := describe_stand_in(path, "recording"):
        raise MediaError(f"{path} {stand_in}")
    with path.open("rb") as file:
        if file.read(16).startswith(_PLAYLISTS):
            raise MediaError(f"{path} is a playlist, which names other files; give the recordings themselves")


def check_whole(path: Path, got_s: float, length_s: float, slack_s: float) -> None:
    """Refuse a truncated file: its header promises more than could be decoded.

    Parameters
    ----------
    path : Path
    got_s : float
    length_s : float
        What the header promises; NaN where it has no length, infinite where the end is missing.
    slack_s : float
        What may be missing: containers round lengths, and codecs pad their last frame.

    Raises
    ------
    MediaError
        Where more than that is missing.
    """
    if math.isinf(length_s):
        raise MediaError(
            f"{path} is truncated: it ends within a page, box or packet, or without the mark of its end; copy it again,"
            f" or keep what is left, if that is enough: ffmpeg -i {path.name} -c copy NEW{path.suffix}"
        )
    if length_s - got_s > slack_s:
        raise MediaError(f"{path} is truncated: its header promises {length_s:.2f} s, {got_s:.2f} s could be decoded")


def promised_s(container: Any, track: Any, first_stamp_s: float) -> float:
    """Return the length of a track in seconds by the header of its container; NaN where it has none.

    Parameters
    ----------
    container : av.container.InputContainer
    track : av.stream.Stream
    first_stamp_s : float
        Timestamp of the track's first frame.
    """
    if container.format.name in _ESTIMATED:
        return math.nan
    # Matroska stores the end time of a track, other containers its length.
    before_s = first_stamp_s if "matroska" in container.format.name else 0.0
    if written := _MATROSKA_DURATION.match(track.metadata.get("DURATION", "")):
        return 3600 * int(written[1]) + 60 * int(written[2]) + float(written[3]) - before_s
    if track.duration:
        return float(track.duration * track.time_base) - before_s
    # The container's length is that of its longest track, so it only applies if this is the only track.
    alone = container.duration and len(container.streams) == 1
    return container.duration / av.time_base - before_s if alone else math.nan


def reason_of(error: BaseException) -> str:
    """Return a library's error message in one line and without the path."""
    # Errors of the system, FFmpeg and libsndfile repeat the path; these attributes hold the text without it.
    text = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".").replace("\n", " ") or type(error).__name__
