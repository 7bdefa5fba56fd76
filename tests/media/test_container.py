"""Files that were cut off, or joined with `cat`, are found by the sizes in their headers."""

import math
import struct
from pathlib import Path

import pytest

from ravfeat.errors import MediaError
from ravfeat.media.container import is_placeholder, promised_share
from tests.media.sounds import write_sound
from tests.media.videos import cut, noise, write_video

WITH_SIZES = {
    "a.wav": "pcm_s16le", "extensible.wav": "soundfile:WAVEX:FLOAT", "rf64.wav": "soundfile:RF64:PCM_16",
    "nist.wav": "soundfile:NIST:PCM_16", "a.aiff": "soundfile:AIFF:PCM_16", "float.aiff": "soundfile:AIFF:FLOAT",
    "a.au": "soundfile:AU:PCM_16", "a.w64": "soundfile:W64:PCM_16", "a.caf": "soundfile:CAF:PCM_16",
    "a.svx": "soundfile:SVX:PCM_16", "a.voc": "soundfile:VOC:PCM_16", "a.avi": "pcm_s16le",
}  # fmt: skip
OF_MANY_PARTS = {
    "a.mka": "libopus", "aac.mka": "aac", "a.webm": "libopus", "a.mkv": "pcm_s16le", "a.flv": "aac",
    "a.m4a": "aac", "a.mov": "pcm_s16le", "a.3gp": "aac", "opus.ogg": "libopus",
    "vorbis.ogg": "soundfile:OGG:VORBIS", "a.ts": "aac",
}  # fmt: skip
WHOLE = WITH_SIZES | OF_MANY_PARTS | {"a.flac": "flac", "a.mp3": "libmp3lame", "a.mp2": "mp2", "a.aac": "aac"}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_as_long_as_it_promises(tmp_path: Path, name: str) -> None:
    assert promised_share(write_sound(tmp_path / name, WHOLE[name])) == 1


@pytest.mark.parametrize("share", [0.35, 2 / 3, 0.97])
@pytest.mark.parametrize("name", WITH_SIZES)
def test_a_size_tells_how_much_is_missing(tmp_path: Path, name: str, share: float) -> None:
    path = cut(write_sound(tmp_path / name, WITH_SIZES[name]), share)
    assert promised_share(path) == pytest.approx(1 / share, rel=0.01)


@pytest.mark.parametrize("share", [0.35, 2 / 3, 0.97])
@pytest.mark.parametrize("name", OF_MANY_PARTS)
def test_a_file_that_ends_within_a_part_is_truncated(tmp_path: Path, name: str, share: float) -> None:
    path = cut(write_sound(tmp_path / name, OF_MANY_PARTS[name]), share)
    assert promised_share(path) == math.inf


def test_a_recording_of_a_browser_without_sizes_must_end_with_a_whole_element(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.webm", "libopus", live="1")
    assert promised_share(path) == 1
    assert promised_share(cut(path, 0.6)) == math.inf


def test_an_mp3_file_without_a_count_of_frames_must_end_with_a_whole_frame(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3", "libmp3lame", write_xing="0")
    assert promised_share(path) == 1
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))  # ID3v1
    assert promised_share(path) == 1
    assert promised_share(cut(path, 0.7)) == math.inf


@pytest.mark.parametrize("how", ["soundfile:OGG:VORBIS", "libopus"])
def test_a_damaged_page_of_an_ogg_file_is_found(tmp_path: Path, how: str) -> None:
    path = write_sound(tmp_path / "a.ogg", how)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"is damaged: the checksum at byte \d+ is wrong; copy it again"):
        promised_share(path)


def test_an_ogg_file_must_say_that_it_ends(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.ogg", "soundfile:OGG:VORBIS")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])  # a whole page less
    assert promised_share(path) == math.inf


# A voc file ends with a mark, not with a size, and a transport stream has no beginning.
@pytest.mark.parametrize("name", sorted({*WITH_SIZES, *OF_MANY_PARTS} - {"a.ts", "a.voc"}))
def test_a_second_recording_in_a_file_is_refused(tmp_path: Path, name: str) -> None:
    path = write_sound(tmp_path / name, WHOLE[name])
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(MediaError, match=f"holds several recordings.*begins at byte {size}"):
        promised_share(path)


@pytest.mark.parametrize("length", [0, 2**31 - 1, 2**31 - 4096, 2**31, 2**31 + 36, 2**32 - 1, 2**32 - 37, 2**32 - 4096])
def test_a_placeholder_promises_nothing(tmp_path: Path, length: int) -> None:
    assert is_placeholder(length)
    path = write_sound(tmp_path / "a.wav", "soundfile:WAV:PCM_16")
    data = path.read_bytes()
    start = data.index(b"data") + 4
    path.write_bytes(data[:start] + struct.pack("<I", length) + data[start + 4 :])
    assert promised_share(path) == 1


@pytest.mark.parametrize("length", [1, 96_000, 2**30, 2**31 - 2**20, 3 * 2**30])
def test_an_ordinary_size_is_a_promise(length: int) -> None:
    assert not is_placeholder(length)


def test_what_stands_behind_the_samples_may_be_anything(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", "soundfile:WAV:PCM_16")
    data = path.read_bytes()
    for tail in (b"\0", b"LIST\xff\xff\xff\x00cut", b"junk" * 50):
        path.write_bytes(data + tail)
        assert promised_share(path) == 1


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.w64", "nist.wav"])
def test_sound_behind_the_promised_end_is_not_left_out(tmp_path: Path, name: str) -> None:
    path = write_sound(tmp_path / name, WITH_SIZES[name])
    path.write_bytes(path.read_bytes() + bytes(range(1, 251)) * 100)
    with pytest.raises(MediaError, match=r"holds 25000 bytes behind the end .*ffmpeg -ignore_length 1 -i"):
        promised_share(path)


def test_a_chunk_of_samples_that_is_too_short_leaves_sound_out(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.aiff", "soundfile:AIFF:PCM_16")
    data = path.read_bytes()
    start = data.index(b"SSND") + 4
    path.write_bytes(data[:start] + (48_000).to_bytes(4, "big") + data[start + 4 :])
    with pytest.raises(MediaError, match="bytes behind the end"):
        promised_share(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.flv", "a.ts"])
def test_a_video_is_checked_alike(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "mpeg4" if name == "a.avi" else "libx264"
    path = write_video(tmp_path / name, noise(5, 64, 48), codec=codec)
    assert promised_share(path) == 1
    assert promised_share(cut(path, 0.7)) > 1.3


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"OggS", b"\x1a\x45\xdf\xa3", b"FORM", b"FLV\1",
                                  b".snd" + bytes(20), b"\xff\xfb", b"NIST_1A\n   1024\n", b"ID3", b"caff", bytes(400),
                                  b"\0\0\0\1ftypisom", b"riff\x2e\x91\xcf\x11" + b"\xff" * 40])  # fmt: skip
def test_a_stump_of_a_header_is_no_crash(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data + b"x")
    assert promised_share(path) >= 1


@pytest.mark.shared
def test_the_real_recordings_are_whole(shared: Path) -> None:
    paths = [*sorted((shared / "data/ravdess").rglob("*.flac"))[::20], *(shared / "data/ravdess_video").rglob("*.mp4")]
    assert paths
    assert {promised_share(path) for path in paths} == {1}
