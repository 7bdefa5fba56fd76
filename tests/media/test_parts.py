"""Parts of recordings: the samples that files of their own would hold, each file decoded once."""

import hashlib
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
import soundfile

import ravfeat.media.parts
from ravfeat.errors import MediaError
from ravfeat.media.parts import PartReader
from ravfeat.media.pictures import Picture, read_pictures
from ravfeat.media.sound import read_waveform
from ravfeat.media.source import Recording
from tests.media.videos import noise, write_video

RATE = 16_000
PIECES = [np.random.default_rng(n).uniform(-0.5, 0.5, 4000 + 531 * n) for n in range(4)]
BOUNDS_S = [float(n) / RATE for n in np.cumsum([0, *map(len, PIECES)])]


def joined(folder: Path, ending: str, subtype: str | None = None, channels: int = 1) -> Path:
    path = folder / f"joined.{ending}"
    soundfile.write(path, np.repeat(np.concatenate(PIECES)[:, None], channels, axis=1), RATE, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("flac", "PCM_24"),
        ("aiff", "PCM_16"),
        ("wav", "ULAW"),
        ("wav", "IMA_ADPCM"),
    ],
)
def test_parts_are_bit_for_bit_the_files_they_were_joined_of(tmp_path: Path, ending: str, subtype: str) -> None:
    path, reader = joined(tmp_path, ending, subtype), PartReader()
    whole = read_waveform(path)
    for number, (start_s, end_s) in enumerate(pairwise(BOUNDS_S)):
        part = reader.read(path, start_s, end_s)
        first, stop = round(start_s * RATE), round(end_s * RATE)
        assert np.array_equal(part.samples, whole.samples[first:stop])
        if subtype == "PCM_16":
            soundfile.write(tmp_path / f"own.{ending}", PIECES[number], RATE, subtype=subtype)
            assert part.sha256 == read_waveform(tmp_path / f"own.{ending}").sha256
    assert reader.read(path).sha256 == reader.read(path, 0.0, len(whole.samples) / RATE).sha256 == whole.sha256
    assert reader.read(path, end_s=0.25).samples.shape == (4000,)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded as a whole."""
    names: list[str] = []

    def counted(path: Path) -> object:
        names.append(path.name)
        return read_waveform(path)

    monkeypatch.setattr(ravfeat.media.parts, "read_waveform", counted)
    return names


def test_a_file_that_must_be_decoded_whole_is_decoded_once(tmp_path: Path, decoded: list[str]) -> None:
    path, reader = joined(tmp_path, "ogg"), PartReader()
    threads = [Thread(target=reader.read, args=(path, start_s, start_s + 0.1)) for start_s in BOUNDS_S[:-1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert decoded == ["joined.ogg"]
    reader.read(joined(tmp_path, "wav"), 0.1, 0.2)
    assert decoded == ["joined.ogg"]


def test_decoded_files_are_forgotten_beyond_a_bound_and_where_they_change(tmp_path: Path, decoded: list[str]) -> None:
    small = PartReader(limit_bytes=200_000)
    paths = [joined(tmp_path, "ogg").rename(tmp_path / f"{n}.ogg") for n in range(3)]
    for path in [*paths, paths[1], paths[2], paths[0]]:
        small.read(path, 0.1, 0.2)
    assert decoded == ["0.ogg", "1.ogg", "2.ogg", "0.ogg"]
    soundfile.write(paths[0], PIECES[3], RATE)
    assert len(small.read(paths[0], 0.1).samples) < len(PIECES[3])


@pytest.mark.parametrize(
    ("change", "span", "message"),
    [
        (lambda path: path.unlink(), (0.1, 0.2), r"joined\.flac is not there \(the part from 0\.1 s to 0\.2 s\)"),
        (lambda path: path.write_bytes(b""), (0.1, math.nan), r"is empty .* \(the part from 0\.1 s to the end\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9000]), (0.9, 1.1), r"decoded|truncated"),
        (lambda path: soundfile.write(path, np.zeros(RATE), RATE), (math.nan, 0.5), r"is silent .*the part from 0 s"),
        (lambda path: None, (5.0, 6.0), r"has no such part: it holds 1\.199 s of sound \(the part from 5 s to 6 s\)"),
        (lambda path: None, (1.0, 1.3), "has no such part"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(
    tmp_path: Path, change: Callable[[Path], object], span: tuple[float, float], message: str
) -> None:
    path = joined(tmp_path, "flac")
    change(path)
    with pytest.raises(MediaError, match=message):
        PartReader().read(path, *span)


def test_a_part_of_a_file_with_a_cut_off_header_is_refused(tmp_path: Path) -> None:
    path = joined(tmp_path, "wav")
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(MediaError, match="is truncated"):
        PartReader().read(path, 0.1, 0.2)


def test_an_end_a_little_behind_the_file_is_the_files(tmp_path: Path) -> None:
    path = joined(tmp_path, "wav")
    assert PartReader().read(path, 1.0, 1.24).sha256 == PartReader().read(path, 1.0).sha256


def video_parts(path: Path, *span: float, fps: float | None = None) -> tuple[list[Picture], Recording]:
    pictures, reading = [], read_pictures(path, fps=fps, start_s=span[0], end_s=span[1])
    while True:
        try:
            picture = next(reading)
            pictures.append(picture)
        except StopIteration as end:
            return pictures, end.value


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [("a.mkv", "ffv1", "bgr0"), ("a.mp4", "libx264", "yuv420p")])
def test_pictures_of_a_part_count_from_its_start_and_have_its_digest(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    frames = noise(50, 64, 48)
    path = write_video(tmp_path / name, frames, codec=codec, pix_fmt=pix_fmt, rate=25)
    everything, _ = video_parts(path, math.nan, math.nan)
    pictures, recording = video_parts(path, 0.4, 1.2)
    assert (recording.n_samples, recording.rate_hz) == (20, pytest.approx(25))
    assert [round(picture.time_s, 3) for picture in pictures] == [round(n / 25, 3) for n in range(20)]
    for picture, same in zip(pictures, everything[10:30], strict=True):
        assert np.array_equal(picture.rgb, same.rgb)
    if codec == "ffv1":
        alone = write_video(tmp_path / "own.mkv", frames[10:30], codec=codec, pix_fmt=pix_fmt, rate=25)
        assert recording.input_sha256 == video_parts(alone, math.nan, math.nan)[1].input_sha256
    assert len(video_parts(path, 0.4, 1.2, fps=5)[0]) == 4
    assert video_parts(path, 1.2, math.nan)[1].n_samples == 20
    with pytest.raises(MediaError, match=r"has pictures until 2\.00 s, and the part ends at 3 s"):
        video_parts(path, 0.4, 3.0)
    with pytest.raises(MediaError, match="without pictures in this part"):
        video_parts(path, 0.41, 0.43)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_late_part_is_found_without_decoding_what_is_before_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [np.full((16, 16, 3), n % 256, np.uint8) for n in range(300)]
    path = write_video(tmp_path / name, frames, codec="mpeg4", pix_fmt="yuv420p", rate=10)
    read: list[int] = []
    whole_frames = ravfeat.media.pictures._whole_frames
    monkeypatch.setattr(
        ravfeat.media.pictures, "_whole_frames",
        lambda *arguments: (read.append(1) or frame for frame in whole_frames(*arguments)),
    )  # fmt: skip
    everything, _ = video_parts(path, math.nan, math.nan)
    read.clear()
    pictures, _ = video_parts(path, 28.0, 29.0)
    assert [hashlib.sha256(p.rgb).digest() for p in pictures] == [
        hashlib.sha256(p.rgb).digest() for p in everything[280:290]
    ]
    assert len(read) < 200 or name == "a.avi"


def test_the_sound_of_a_part_of_a_video_is_that_of_its_pictures_times(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 16
        audio = container.add_stream("pcm_s16le", rate=RATE)
        for n in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), n, np.uint8))
            frame.pts = n
            container.mux(video.encode(frame))
        container.mux(video.encode())
        samples = (np.concatenate(PIECES)[None, :16_000] * 30_000).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(samples, layout="mono")
        sound.sample_rate, sound.pts = RATE, RATE // 2  # begins half a second after the pictures
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
    whole = read_waveform(path)
    assert whole.start_s == pytest.approx(0.5, abs=0.01)
    part = PartReader().read(path, 0.75, 1.25)
    shift = round((0.75 - whole.start_s) * RATE)
    assert np.array_equal(part.samples, whole.samples[shift : shift + 8000])
    assert PartReader().read(path, 0.25, 0.75).start_s == pytest.approx(0.25, abs=0.01)
