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
    path: Path, *, fps: float | None = None, limit_s: float = math.inf
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

    Yields
    ------
    Picture

    Returns
    -------
    Recording
        ``n_samples`` counts all pictures of the file, selected or not; ``rate_hz`` is their mean rate, from the
        first picture to the end of the last one; ``input_sha256`` covers all of them as decoded (see
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
        with open_media(path) as container:
            recording = yield from _read_track(path, container, _video_track(path, container), fps, limit_s)
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


def _read_track(
    path: Path, container: Any, track: Any, fps: float | None, limit_s: float
) -> Generator[Picture, None, Recording]:
    start_s = None if container.start_time is None else container.start_time / av.time_base
    rate = track.average_rate or track.guessed_rate
    clock = PictureClock(float(1 / rate) if rate else _DEFAULT_PERIOD_S, start_s)
    grid = None if fps is None else Grid(fps)
    digest, reformatter, n_pictures = hashlib.sha256(), VideoReformatter(), 0
    pixel = _pixel_shape(path, track.sample_aspect_ratio)
    _check_size(path, track.codec_context, pixel)
    for frame in _whole_frames(path, container, track, pixel):
        time_s = clock.time_of(*_stamps(frame))
        # Before the selection by `fps`: the digest identifies the recording, whatever pictures an extraction looks
        # at.
        add_to_digest(digest, frame)
        n_pictures += 1
        check_limit(path, max(clock.end_s - clock.first_s, n_pictures / MAX_RATE_HZ), limit_s)
        if grid is None or grid.takes(time_s):
            yield Picture(time_s, path, frame, reformatter, pixel)
    if n_pictures == 0:
        raise MediaError(f"{path} has a video track without pictures")
    length_s = clock.end_s - clock.first_s
    # FFmpeg ends without an error at the end of a truncated file, so its length is compared with the header.
    _check_length(path, length_s, promised_s(container, track, clock.first_stamp_s))
    return Recording(n_pictures, n_pictures / length_s, digest.hexdigest())


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
