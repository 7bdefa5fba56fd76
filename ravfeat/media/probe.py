"""Read the length of a media file, and its channels, from its header, without decoding it."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import av
import soundfile

from ravfeat.media.base import open_media
from ravfeat.media.sound import SOUNDFILE_SUFFIXES, UNKNOWN_FRAMES, is_mp3

__all__ = ["probe_channels", "probe_duration"]


def probe_duration(path: Path, track: Literal["audio", "video"] = "audio") -> float:
    """Read the length of a file's audio or video track in seconds.

    Parameters
    ----------
    path : Path
    track : {"audio", "video"}
        Their lengths may differ by seconds. Where the header has no length of the track, that of the file is used.

    Returns
    -------
    float
        NaN where the header cannot be read; decoding the file will report why.
    """
    try:
        if track == "audio" and path.suffix.lower() in SOUNDFILE_SUFFIXES:
            # What soundfile cannot tell, PyAV may, as in decoding.
            with suppress(soundfile.SoundFileError, UnicodeError):
                info: Any = soundfile.info(str(path))
                if info.samplerate and 0 < info.frames < UNKNOWN_FRAMES and (info.format != "MP3" or is_mp3(path)):
                    return float(info.frames) / float(info.samplerate)
        with open_media(path) as container:
            streams = container.streams.audio if track == "audio" else container.streams.video
            # The track's own length first: a video may be longer than its sound.
            if streams and streams[0].duration:
                return float(streams[0].duration * streams[0].time_base)
            if container.duration:
                return float(container.duration / av.time_base)
            return _duration_of_packets(container, streams)
    except (av.FFmpegError, OSError, ValueError):
        return math.nan


def _duration_of_packets(container: Any, streams: Any) -> float:
    # Recordings made in a browser have no length in the header; the last packet's end time is the length.
    if not streams:
        return math.nan
    ends = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in container.demux(streams[0])
        if packet.pts is not None
    ]
    return float(max(ends, default=math.nan))


def probe_channels(path: Path) -> int:
    """Read the number of channels of a file's sound from its header; 0 where it cannot be read."""
    try:
        if path.suffix.lower() in SOUNDFILE_SUFFIXES:
            with suppress(soundfile.SoundFileError, UnicodeError):
                return int(soundfile.info(str(path)).channels)
        with open_media(path) as container:
            return int(container.streams.audio[0].channels) if container.streams.audio else 0
    except (av.FFmpegError, OSError, ValueError):
        return 0
