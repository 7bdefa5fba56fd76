"""Decoding: what comes out, and what is said of files that cannot be used."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ravfeat.errors import MediaError
from ravfeat.media.probe import probe_duration
from ravfeat.media.sound import Waveform, read_waveform, resample


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def write_av(path: Path, samples: NDArray[np.float32], rate: int, codec: str, **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def loudest_hz(wave: Waveform) -> float:
    spectrum = np.abs(np.fft.rfft(wave.samples * np.hanning(len(wave.samples))))
    return float(spectrum.argmax() * wave.sample_rate_hz / len(wave.samples))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_lossless_files_come_back_exactly_at_their_own_rate(tmp_path: Path, rate: int, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(rate), rate, subtype="PCM_16")
    wave = read_waveform(path)
    assert wave.sample_rate_hz == rate
    assert wave.samples.dtype == np.float32
    np.testing.assert_allclose(wave.samples, tone(rate), atol=2**-15)
    assert probe_duration(path) == wave.duration_s == 1.0


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.m4a", "aac", 16_000), ("a.mp4", "aac", 48_000), ("a.mp3", "libmp3lame", 16_000), ("a.ogg", "libopus", 48_000),
     ("a.webm", "libopus", 48_000)],
)  # fmt: skip
def test_compressed_files_hold_the_same_sound(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    wave = read_waveform(write_av(tmp_path / name, tone(rate), rate, codec))
    assert wave.sample_rate_hz == rate
    assert loudest_hz(wave) == pytest.approx(440, abs=2)
    assert wave.duration_s == pytest.approx(1.0, abs=0.1)  # codecs pad
    assert probe_duration(tmp_path / name) == pytest.approx(1.0, abs=0.1)


def test_a_stream_without_a_length_in_its_header_is_measured_by_its_packets(tmp_path: Path) -> None:
    path = write_av(tmp_path / "a.webm", tone(48_000), 48_000, "libopus", live="1")
    with av.open(str(path)) as container:
        assert container.duration is None
    assert probe_duration(path) == pytest.approx(1.0, abs=0.1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(16_000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_waveform(tmp_path / "a.wav").samples, left / 2, atol=1e-7)


def test_stereo_with_equal_channels_is_the_same_recording_as_mono(tmp_path: Path) -> None:
    left = np.round(tone(48_000) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "mono.wav", left, 48_000)
    soundfile.write(tmp_path / "stereo.flac", np.stack([left, left], axis=1), 48_000)
    assert read_waveform(tmp_path / "mono.wav").sha256 == read_waveform(tmp_path / "stereo.flac").sha256


def test_the_digest_is_of_rate_and_samples() -> None:
    samples = np.array([0.5, -0.25], np.float32)
    expected = hashlib.sha256((16_000).to_bytes(8, "little") + samples.astype("<f4").tobytes()).hexdigest()
    assert Waveform(samples, 16_000).sha256 == expected
    assert Waveform(samples, 8_000).sha256 != expected


def test_files_longer_than_a_block_are_read_whole(tmp_path: Path) -> None:
    samples = np.resize(tone(16_000), (1 << 21) + 3)
    soundfile.write(tmp_path / "a.flac", samples, 16_000, subtype="PCM_16")
    wave = read_waveform(tmp_path / "a.flac")
    assert len(wave.samples) == len(samples)
    np.testing.assert_allclose(wave.samples[-100:], samples[-100:], atol=2**-14)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def wav(folder: Path) -> Path:
    soundfile.write(folder / "a.wav", tone(16_000), 16_000)
    return folder / "a.wav"


def flac(folder: Path) -> Path:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)
    soundfile.write(folder / "a.flac", noise, 16_000)
    return folder / "a.flac"


def mp4(folder: Path, **options: str) -> Path:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32)
    return write_av(folder / "a.mp4", noise, 16_000, "aac", **options)


def flac_of_2_to_the_36_samples(folder: Path) -> Path:
    data = bytearray(flac(folder).read_bytes())
    data[21] |= 0x0F  # the low nibble and four more bytes of STREAMINFO count the samples
    data[22:26] = b"\xff\xff\xff\xff"
    (folder / "a.flac").write_bytes(data)
    return folder / "a.flac"


def video_only(folder: Path) -> Path:
    path = folder / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def samples_of(values: object, *, subtype: str = "FLOAT") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        soundfile.write(folder / "a.wav", np.asarray(values, np.float32), 16_000, subtype=subtype)
        return folder / "a.wav"

    return write


def bytes_of(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "nothing.wav", "is not there"),
    "folder": (lambda folder: folder, "is not a file"),
    "name too long": (lambda folder: folder / ("x" * 400 + ".wav"), "cannot be read"),
    "empty wav": (bytes_of("a.wav", b""), "is empty"),
    "empty mp4": (bytes_of("a.mp4", b""), "is empty"),
    "text as wav": (bytes_of("a.wav", b"hello " * 100), "cannot be decoded as audio"),
    "text as mp4": (bytes_of("a.mp4", b"hello " * 100), "cannot be decoded as audio"),
    "text as mp3": (bytes_of("a.mp3", b"hello " * 100), "cannot be decoded as audio"),
    "no samples": (samples_of([]), "has no samples"),
    "silent": (samples_of(np.zeros(16_000)), "is silent"),
    "NaN": (samples_of([0.1, np.nan, np.inf, 0.2] * 100), "has 200 samples that are NaN or infinite"),
    "cut wav": (lambda folder: cut(wav(folder), 0.5), "is truncated: its header promises 32000 bytes"),
    "cut flac": (lambda folder: cut(flac(folder), 0.5), "is truncated|cannot be decoded"),
    "cut mp4, index at the end": (lambda folder: cut(mp4(folder), 0.5), "cannot be decoded as audio"),
    "cut mp4, index in front": (lambda folder: cut(mp4(folder, movflags="faststart"), 0.5), "cannot be decoded"),
    "cut mov, index in front": (
        lambda folder: cut(
            write_av(folder / "a.mov", tone(16_000, 3.0), 16_000, "pcm_s16le", movflags="faststart"), 0.5
        ),
        "is truncated: its header promises 3.00 s",
    ),
    "lying flac": (flac_of_2_to_the_36_samples, "is truncated|cannot be decoded"),
    "no audio track": (video_only, "has no audio track"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    make, message = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(MediaError, match=message) as caught:
        read_waveform(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "empty wav", "text as wav", "text as mp4"])
def test_a_length_that_cannot_be_known_is_nan(tmp_path: Path, kind: str) -> None:
    assert np.isnan(probe_duration(BAD[kind][0](tmp_path)))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_keeps_tone_length_and_level(rate: int) -> None:
    out = resample(Waveform(tone(rate), rate), 16_000)
    assert len(out) == 16_000
    assert out.dtype == np.float32
    middle = slice(1000, -1000)
    np.testing.assert_allclose(out[middle], tone(16_000)[middle], atol=1e-4)


def test_the_same_rate_is_left_alone() -> None:
    wave = Waveform(tone(16_000), 16_000)
    assert resample(wave, 16_000) is wave.samples


def test_a_rate_that_cannot_be_resampled_is_the_files_fault() -> None:
    with pytest.raises(MediaError, match="cannot be resampled from 0 Hz"):
        resample(Waveform(tone(16_000), 0), 16_000)


@pytest.mark.shared
def test_the_voice_in_a_real_video_decodes(shared: Path) -> None:
    wave = read_waveform(shared / "data/ravdess_video/Actor_01/01-01-01-01-01-01-01.mp4")
    assert wave.sample_rate_hz == 48_000
    assert wave.duration_s == pytest.approx(3.3, abs=0.1)
    with pytest.raises(MediaError, match="is silent"):
        read_waveform(shared / "data/ravdess_video/Actor_01/02-01-01-01-01-01-01.mp4")


@pytest.mark.shared
def test_the_two_identical_takes_have_one_digest(shared: Path) -> None:
    folder = shared / "data/ravdess/Actor_07"
    takes = [read_waveform(folder / f"03-01-03-01-02-0{n}-07.flac").sha256 for n in (1, 2)]
    assert takes[0] == takes[1]
    assert read_waveform(folder / "03-01-03-01-01-01-07.flac").sha256 not in takes
