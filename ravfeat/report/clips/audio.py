"""Recordings of a few clips as data URIs, so that a page can play them without another file."""

import base64
import io
import wave
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ravfeat.corpora.walk import MEDIA_SUFFIXES
from ravfeat.errors import MediaError, UsageError
from ravfeat.media.sound import SOUNDFILE_SUFFIXES, read_waveform, resample

__all__ = ["RATE_HZ", "players_of"]

RATE_HZ = 16_000
"""What most encoders hear; 3.7 s are 160 kB of page."""

_LONGEST_S = 30


def players_of(clip_ids: Collection[str], data: Path) -> dict[str, str]:
    """Find the recordings of clips below a folder, by name, and encode them.

    Parameters
    ----------
    clip_ids : collection of str
        Names of files without ending: of the file alone, or with folders below `data`.
    data : Path
        The folder that the features were extracted from.

    Returns
    -------
    dict of str to str
        Clip id to a data URI of a mono WAV file of at most 30 s. Clips that are not there, or that have no sound
        that can be read, are left out.

    Raises
    ------
    UsageError
        Where `data` is no folder, holds none of the clips, or two files of one name.
    """
    if not data.is_dir():
        raise UsageError(f"--with-audio: {data} is no folder; give the one that holds the recordings of the run")
    files = _files_of(set(clip_ids), data)
    if not files:
        raise UsageError(
            f"--with-audio: none of {len(clip_ids)} clips ({min(clip_ids)}, …) is a file below {data}; give the folder "
            "that 'ravfeat extract' read"
        )
    players = {}
    for clip_id, path in files.items():
        try:
            players[clip_id] = _uri(path)
        except MediaError:  # a picture without sound is tested too
            continue
    return players


def _files_of(wanted: set[str], data: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(data.rglob("*")):
        whole = path.relative_to(data).with_suffix("").as_posix()
        name = whole if whole in wanted else path.stem
        if name not in wanted or path.suffix.lower() not in MEDIA_SUFFIXES | SOUNDFILE_SUFFIXES or not path.is_file():
            continue
        if name in files:
            raise UsageError(
                f"--with-audio: clip {name} may be {files[name]} or {path}; give a folder that holds each recording "
                "once"
            )
        files[name] = path
    return files


def _uri(path: Path) -> str:
    waveform = read_waveform(path)
    samples = resample(waveform, RATE_HZ)[: _LONGEST_S * RATE_HZ]
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
