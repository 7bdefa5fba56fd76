"""Decode a video file to pictures with times, one by one, in bounded memory.

Conventions
-----------
Pictures are (H, W, 3) uint8, RGB, upright, with square pixels. Times are seconds from the clip's start and rise
strictly. Only one picture is in memory at a time, apart from the decoder's own buffers.
"""

import hashlib
import math
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ravfeat.errors import MediaError
from ravfeat.media.base import check_file, check_limit, check_whole, open_media, promised_s, reason_of
from ravfeat.media.clock import Grid, PictureClock
from ravfeat.media.container import promised_share
from ravfeat.media.frames import add_to_digest, square_size, upright_rgb
from ravfeat.media.source import Recording

__all__ = ["Picture", "read_pictures"]

MAX_PIXELS = 1 << 26
"""Twice the pixels of 8K; a header with more is damaged, and decoding it would exhaust the memory."""

MIN_STRETCH = 0.01
"""Deviation from square pixels that is ignored; encoders that round sizes to even numbers write up to half of it."""

MAX_STRETCH = 4
"""More than any real format has (DV 1.5, anamorphic film 2); such a header is damaged."""

MAX_RATE_HZ = 120.0
"""Pictures per second that are read of a recording whose length is limited."""

_DEFAULT_PERIOD_S = 0.04
_STAMP_S = 0.001
"""Timestamps are rounded to milliseconds in some containers."""

_LATE_S = 0.1
"""So much later than its last picture a part may end: tables are rounded, and pictures far apart."""

_PREROLL_S = 15.0
"""Decoding begins so much before a part, or earlier: with another distance of key pictures than usual, the first one
before the part may lean on pictures before itself."""

_INDEXED = frozenset({"mp4", "mov", "matroska", "webm"})
"""Formats that find a picture by its time; others are decoded from their start."""

_COVER = ("attached_pic", "still_image", "timed_thumbnails")


@dataclass(frozen=True)
class Picture:
    """One picture of a video.

    Attributes
    ----------
    time_s : float
        Seconds from the clip's start.
    """

    time_s: float
    _path: Path
    _frame: Any
    _reformatter: Any
    _pixel: Fraction

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, upright, with square pixels; converted on first access.

        Raises
        ------
        MediaError
            Where the picture has a format that cannot be converted.
        """
        # On demand: with `fps` most pictures are only hashed.
        try:
            return upright_rgb(self._frame, self._reformatter, self._pixel)
        except (av.FFmpegError, ValueError) as error:
            name = self._frame.format.name
            raise MediaError(f"{self._path} has a picture of format {name} ({reason_of(error)})") from error


def read_pictures(
    path: Path,
    *,
    fps: float | None = None,
    limit_s: float = math.inf,
    start_s: float = math.nan,
    end_s: float = math.nan,
) -> Generator[Picture, None, Recording]:
    """Decode the pictures of a file, in the order in which they are shown.

    Parameters
    ----------
    path : Path
        Any file with a video track that FFmpeg can decode.
    fps : float, optional
        Pictures per second at most: one whenever the next point of the grid k / fps has been reached, none
        twice. By default, every picture.
    limit_s : float
        More than this is refused as soon as it is decoded, and so are more pictures than `MAX_RATE_HZ` has in that
        time.
    start_s, end_s : float
        Read only the pictures from ``start_s`` to before ``end_s``, in seconds from the file's start; NaN for the
        file's own start or end. Decoding begins at a key picture some seconds before the part.

    Yields
    ------
    Picture
        Times count from the start of the part.

    Returns
    -------
    Recording
        ``n_samples`` counts all pictures of the file, or of its part, selected or not; ``rate_hz`` is their mean rate,
        from the first picture to the end of the last one; ``input_sha256`` covers all of them as decoded (see
        `ravfeat.media.frames.add_to_digest`), without times or any other metadata.

    Raises
    ------
    MediaError
        Where the file is missing, unreadable, empty, truncated, damaged or not a video, holds several recordings one
        after the other, has no pictures, pictures of more than 2**26 pixels, or pixels more than four times as wide as
        high, or as high as wide.
    """
    try:
        check_file(path)
        share = promised_share(path)
        part = _Part(0.0 if math.isnan(start_s) else start_s, math.inf if math.isnan(end_s) else end_s)
        with open_media(path) as container:
            recording = yield from _read_track(path, container, _video_track(path, container), fps, limit_s, part)
        length_s = recording.n_samples / recording.rate_hz
        _check_length(path, length_s, share * length_s)
        return recording
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path} cannot be decoded as video ({reason_of(error)})") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({reason_of(error)})") from error
    except MemoryError as error:
        raise MediaError(f"a picture of {path} does not fit into memory") from error


def _video_track(path: Path, container: Any) -> Any:
    """Return the first video track; cover pictures of audio files do not count."""
    tracks = [stream for stream in container.streams.video if not any(_is(stream, kind) for kind in _COVER)]
    if not tracks:
        raise MediaError(f"{path} has no video track")
    if tracks[0].codec_context is None:
        raise MediaError(f"{path} has a video track that this build of FFmpeg cannot decode")
    return tracks[0]


def _pixel_shape(path: Path, ratio: Fraction | None) -> Fraction:
    """Return the width of a pixel over its height; 1 where the file does not say it, or it is almost square."""
    if not ratio or abs(ratio - 1) <= MIN_STRETCH:
        return Fraction(1)
    if not 1 / MAX_STRETCH <= ratio <= MAX_STRETCH:
        raise MediaError(
            f"{path} has pixels of {ratio.numerator}:{ratio.denominator}, which no camera has: its header is damaged;"
            f" if they are square: ffmpeg -i {path.name} -vf setsar=1 -crf 12 -c:a copy NEW.mkv"
        )
    return ratio


def _check_length(path: Path, got_s: float, length_s: float) -> None:
    # Pictures may be far apart, and the duration of the last one is not always known.
    check_whole(path, got_s, length_s, slack_s=max(0.1, 0.05 * length_s))


def _is(stream: Any, kind: str) -> bool:
    return bool(stream.disposition & getattr(av.stream.Disposition, kind))


@dataclass(frozen=True)
class _Part:
    """Which pictures of a file are read, by their times."""

    start_s: float
    end_s: float

    @property
    def is_whole(self) -> bool:
        return self.start_s <= 0 and self.end_s == math.inf

    def seek(self, container: Any, track: Any) -> None:
        """Let decoding begin at a key picture before the part, where the container has an index."""
        if self.start_s <= _PREROLL_S or not {*container.format.name.split(",")} & _INDEXED or not track.time_base:
            return
        first_s = (container.start_time or 0) / av.time_base
        target = int((first_s + self.start_s - _PREROLL_S) / track.time_base)
        container.seek(target, stream=track)
        stamp = next(container.demux(track)).pts
        # An index may be wrong.
        is_before = stamp is not None and stamp * track.time_base - first_s <= self.start_s
        if is_before:
            container.seek(target, stream=track)
        else:
            container.seek(container.start_time or 0)

    def check_end(self, path: Path, last_s: float, length_s: float) -> None:
        """Refuse a file whose pictures end before the part does; its header promises so many seconds."""
        if self.end_s == math.inf:
            _check_length(path, last_s, length_s)
        elif last_s < self.end_s - _LATE_S:
            raise MediaError(f"{path} has pictures until {last_s:.2f} s, and the part ends at {self.end_s:g} s")


def _read_track(
    path: Path, container: Any, track: Any, fps: float | None, limit_s: float, part: _Part
) -> Generator[Picture, None, Recording]:
    container_s = None if container.start_time is None else container.start_time / av.time_base
    rate = track.average_rate or track.guessed_rate
    clock = PictureClock(float(1 / rate) if rate else _DEFAULT_PERIOD_S, container_s)
    grid = None if fps is None else Grid(fps)
    digest, reformatter, n_pictures = hashlib.sha256(), VideoReformatter(), 0
    pixel = _pixel_shape(path, track.sample_aspect_ratio)
    _check_size(path, track.codec_context, pixel)
    part.seek(container, track)
    first_s = end_s = 0.0
    for frame in _whole_frames(path, container, track, pixel):
        time_s = clock.time_of(*_stamps(frame))
        if time_s >= part.end_s - _STAMP_S:
            break
        end_s = clock.end_s
        if time_s < part.start_s - _STAMP_S:
            continue
        first_s = first_s if n_pictures else time_s
        # Before the selection by `fps`: the digest identifies the recording, whatever pictures an extraction looks
        # at.
        add_to_digest(digest, frame)
        n_pictures += 1
        check_limit(path, max(end_s - first_s, n_pictures / MAX_RATE_HZ), limit_s)
        if grid is None or grid.takes(max(0.0, time_s - part.start_s)):
            yield Picture(max(0.0, time_s - part.start_s), path, frame, reformatter, pixel)
    else:
        # FFmpeg ends without an error at the end of a truncated file, so its length is compared with the header.
        before_s = clock.first_s if part.is_whole else 0.0
        first_stamp_s = clock.first_stamp_s if part.is_whole else 0.0
        part.check_end(path, end_s - before_s, promised_s(container, track, first_stamp_s))
    if n_pictures == 0:
        raise MediaError(f"{path} has a video track without pictures{'' if part.is_whole else ' in this part'}")
    return Recording(n_pictures, n_pictures / (end_s - first_s), digest.hexdigest())


def _whole_frames(path: Path, container: Any, track: Any, pixel: Fraction) -> Generator[Any, None, None]:
    """Yield decoded frames; refuse frames that the decoder marks as corrupt and partly interpolated."""
    n_frames = 0
    try:
        for frame in container.decode(track):
            _check_size(path, frame, pixel)
            if frame.is_corrupt:
                raise MediaError(_damaged(path, n_frames, "the next one cannot be decoded whole"))
            n_frames += 1
            yield frame
    except av.FFmpegError as error:
        if n_frames:
            raise MediaError(_damaged(path, n_frames, reason_of(error))) from error
        raise


def _damaged(path: Path, n_frames: int, reason: str) -> str:
    return f"{path} is damaged after {n_frames} pictures ({reason}); the file was cut off or changed"


def _stamps(frame: Any) -> tuple[float | None, float]:
    """Return timestamp and duration of a frame in seconds; None and 0 where the file has none."""
    if frame.time_base is None:
        return None, 0.0
    stamp_s = None if frame.pts is None else float(frame.pts * frame.time_base)
    return stamp_s, float((frame.duration or 0) * frame.time_base)


def _check_size(path: Path, sized: Any, pixel: Fraction) -> None:
    width, height = square_size(sized.width, sized.height, pixel)
    if width * height > MAX_PIXELS:
        raise MediaError(f"{path} has pictures of {width} x {height} pixels; more than {MAX_PIXELS} are not read")
