"""Damaged recordings: read in full, or refused by a message; never a crash, a hang, or lost sound.

Only FLAC and Ogg carry checksums, so of other formats a changed sample is another sound, which nobody can tell. What
can be told is how much there is: of a file that was cut, at most what containers round may be missing.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ravfeat.errors import MediaError
from ravfeat.media.pictures import read_pictures
from ravfeat.media.sound import read_waveform
from tests.fuzz.mutations import mutate_bytes, outcome, rounds
from tests.media.sounds import write_sound
from tests.media.videos import noise, write_video

Reading = tuple[str, float]
"""Digest and length of what was read."""

SOUND_S = 0.5


def read_sound(path: Path) -> Reading:
    waveform = read_waveform(path)
    assert np.isfinite(waveform.samples).all()
    return waveform.sha256, waveform.duration_s


def read_video(path: Path) -> Reading:
    pictures = read_pictures(path)
    while True:
        try:
            next(pictures).rgb.max()
        except StopIteration as end:
            return end.value.input_sha256, end.value.n_samples / end.value.rate_hz


def write_mp4(path: Path, _: str) -> Path:
    return write_video(path, noise(12, 48, 64), sound_s=SOUND_S)


def write_short(path: Path, how: str) -> Path:
    return write_sound(path, how, seconds=SOUND_S)


KINDS = [
    ("a.wav", "soundfile:WAV:PCM_16", write_short, read_sound),
    ("float.wav", "soundfile:WAVEX:FLOAT", write_short, read_sound),
    ("a.flac", "soundfile:FLAC:PCM_16", write_short, read_sound),
    ("a.ogg", "soundfile:OGG:VORBIS", write_short, read_sound),
    ("sound.mp4", "aac", write_mp4, read_sound),
    ("pictures.mp4", "", write_mp4, read_video),
]


@pytest.mark.parametrize(("name", "how", "write", "read"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_damaged_recording_is_read_in_full_or_refused(
    name: str,
    how: str,
    write: Callable[[Path, str], Path],
    read: Callable[[Path], Reading],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    honest = write(tmp_path / name, how)
    data, (digest, _), random = honest.read_bytes(), read(honest), Random(name)
    damaged, counts = tmp_path / f"damaged-{name}", {"refused": 0, "same": 0, "another sound": 0}
    for _ in range(rounds(60)):
        changed = mutate_bytes(data, random)
        damaged.write_bytes(changed)
        result = outcome(lambda: read(damaged))
        if isinstance(result, Exception):
            assert isinstance(result, MediaError)
            assert str(damaged) in str(result)
            counts["refused"] += 1
            continue
        counts["same" if result[0] == digest else "another sound"] += 1
        if name.endswith((".flac", ".ogg")):
            assert result[0] == digest
    record_property("outcomes", counts)
    print(name, counts)
    assert counts["refused"]


@pytest.mark.parametrize(("name", "how", "write", "read"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_recording_cut_anywhere_is_refused_or_lacks_a_twentieth_of_a_second(
    name: str, how: str, write: Callable[[Path, str], Path], read: Callable[[Path], Reading], tmp_path: Path
) -> None:
    honest = write(tmp_path / name, how)
    data, (_, length_s), random = honest.read_bytes(), read(honest), Random(name)
    damaged = tmp_path / f"cut-{name}"
    for _ in range(rounds(40)):
        damaged.write_bytes(data[: random.randrange(len(data))])
        result = outcome(lambda: read(damaged))
        if not isinstance(result, MediaError):
            assert result[1] > length_s - 0.05
