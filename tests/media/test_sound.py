"""Decoding: what comes out, and what is said of files that cannot be used."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from ravfeat.errors import MediaError
from ravfeat.media.probe import probe_duration
from ravfeat.media.sound import Waveform, read_waveform, resample
from tests.media.sounds import noisy_tone, tone, write_av, write_sound


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


def from_a_pipe(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:42] = bytes(20)  # the number of samples, and their digest
    path.write_bytes(data)
    return path


def dead_link(folder: Path) -> Path:
    (folder / "a.wav").symlink_to("elsewhere.wav")
    return folder / "a.wav"


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


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
    "cut wav": (lambda folder: cut(wav(folder), 0.5), r"is truncated: its header promises 1.00 s, 0.50 s could be"),
    "cut flac": (lambda folder: cut(flac(folder), 0.5), "is truncated|cannot be decoded"),
    "cut mp4, index at the end": (lambda folder: cut(mp4(folder), 0.5), "cannot be decoded as audio"),
    "cut mp4, index in front": (lambda folder: cut(mp4(folder, movflags="faststart"), 0.5), "cannot be decoded"),
    "cut mov, index in front": (
        lambda folder: cut(
            write_av(folder / "a.mov", tone(16_000, 3.0), 16_000, "pcm_s16le", movflags="faststart"), 0.5
        ),
        "is truncated: its header promises 3.00 s",
    ),
    "cut webm of a browser": (
        lambda folder: cut(write_sound(folder / "a.webm", "libopus", live="1"), 0.5),
        r"is truncated: it ends within a .*: ffmpeg -i a\.webm -c copy NEW\.webm",
    ),
    "lying flac": (flac_of_2_to_the_36_samples, "is truncated|cannot be decoded"),
    "cut flac of unknown length": (lambda folder: cut(from_a_pipe(flac(folder)), 0.5), "cannot be decoded as audio"),
    "no audio track": (video_only, "has no audio track"),
    "dead link": (dead_link, "is a link to elsewhere.wav, which is not there"),
    "Git LFS, wav": (bytes_of("a.wav", LFS_POINTER), "is a Git LFS pointer, not the recording; fetch it with 'git"),
    "Git LFS, m4a": (bytes_of("a.m4a", LFS_POINTER), "is a Git LFS pointer"),
    "git-annex": (bytes_of("a.wav", b"/annex/objects/MD5E-s9--0.wav\n"), "is a git-annex pointer"),
    "web page": (bytes_of("a.wav", b"\n<!DOCTYPE HTML><html>404</html>"), "is a web page, not the recording"),
    "16-bit integers as floats": (samples_of(tone(16_000) * 2**15), r"has samples up to 16384, .*16-bit.*by 32768"),
    "24-bit integers as floats": (samples_of(tone(16_000) * 2**23), "24-bit integers .* divide them by 8388608"),
    "loud in one channel": (samples_of(np.stack([tone(16_000) * 40, -tone(16_000)], axis=1)), "has samples up to 20,"),
    "huge": (samples_of(tone(16_000) * 1e20), "that of no integer format"),
    "opposite channels": (samples_of(np.stack([tone(16_000), -tone(16_000)], axis=1)), "that cancel each other"),
    "nearly opposite channels": (
        samples_of(np.stack([tone(16_000), -0.99 * tone(16_000)], axis=1)), r"'pan=mono\|c0=c0' NEW.wav"
    ),
    "silent stereo": (samples_of(np.zeros((16_000, 2))), "is silent"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    make, message = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(MediaError, match=message) as caught:
        read_waveform(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


# --- cut off, and joined


COMPRESSED = {
    "a.mka": "libopus", "a.webm": "libopus", "a.mkv": "aac", "a.flv": "aac", "a.m4a": "aac", "a.ts": "aac",
    "a.ogg": "soundfile:OGG:VORBIS", "a.opus": "libopus", "a.mp3": "libmp3lame", "a.flac": "flac",
}  # fmt: skip
PCM = {
    "a.wav": "pcm_s16le", "a.aiff": "pcm_s16be", "a.aif": "soundfile:AIFF:FLOAT", "a.au": "pcm_s16be",
    "a.w64": "pcm_s16le", "a.caf": "pcm_s16le", "a.avi": "pcm_s16le", "rf64.wav": "soundfile:RF64:PCM_16",
    "nist.wav": "soundfile:NIST:PCM_16", "a.voc": "pcm_u8", "a.mov": "pcm_s16le",
}  # fmt: skip


@pytest.mark.parametrize("share", [0.5, 2 / 3, 0.9])
@pytest.mark.parametrize("name", [*COMPRESSED, *PCM])
def test_a_part_of_a_file_does_not_pass_as_whole(tmp_path: Path, name: str, share: float) -> None:
    path = write_sound(tmp_path / name, (COMPRESSED | PCM)[name])
    assert read_waveform(path).duration_s == pytest.approx(3, abs=0.1)
    with pytest.raises(MediaError, match=r"is truncated|cannot be decoded as audio"):
        read_waveform(cut(path, share))


@pytest.mark.parametrize("name", ["a.mka", "a.flv", "a.m4a", "a.ogg", "a.mp3", "a.flac"])
def test_a_hole_in_a_compressed_file_does_not_pass_as_whole(tmp_path: Path, name: str) -> None:
    path = write_sound(tmp_path / name, COMPRESSED[name])
    data = path.read_bytes()
    start, end = int(0.4 * len(data)), int(0.6 * len(data))
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    with pytest.raises(MediaError):
        read_waveform(path)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3", "a.flac", "a.wav", "a.aiff", "a.au", "a.w64", "a.caf",
                                  "a.m4a", "a.flv", "a.mka", "a.avi"])  # fmt: skip
def test_of_joined_recordings_not_only_the_first_is_read(tmp_path: Path, name: str) -> None:
    path = write_sound(tmp_path / name, (COMPRESSED | PCM)[name])
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(MediaError, match="several recordings, one after the other"):
        read_waveform(path)


def test_sound_behind_the_promised_end_of_a_flac_is_not_left_out(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", "flac")
    data = bytearray(path.read_bytes())
    data[22:26] = (24_000).to_bytes(4, "big")  # of 48,000 samples
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"holds 3.00 s of sound, but its header promises 1.50 s"):
        read_waveform(path)


def test_joined_streams_without_headers_are_read_to_the_end(tmp_path: Path) -> None:
    for name, codec in (("a.aac", "aac"), ("a.ts", "aac")):
        path = write_sound(tmp_path / name, codec)
        path.write_bytes(path.read_bytes() * 2)
        assert read_waveform(path).duration_s == pytest.approx(6, abs=0.2)


# --- whole, although the header or the name says otherwise


@pytest.mark.parametrize("length", [0, 2**31 - 4096, 2**31 - 1, 2**31, 2**31 + 36, 2**32 - 4096, 2**32 - 37, 2**32 - 1])
def test_a_wav_from_a_pipe_is_read_to_its_end(tmp_path: Path, length: int) -> None:
    path = wav(tmp_path)
    whole, data = read_waveform(path), path.read_bytes()
    start = data.index(b"data") + 4
    path.write_bytes(data[:start] + length.to_bytes(4, "little") + data[start + 4 :])
    assert read_waveform(path).sha256 == whole.sha256
    assert probe_duration(path) == 1


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_both_readers_return_the_same_samples(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", noisy_tone(16_000), 16_000, subtype=subtype)
    whole, data = read_waveform(tmp_path / "a.wav"), (tmp_path / "a.wav").read_bytes()
    start = data.index(b"data") + 4
    (tmp_path / "a.wav").write_bytes(data[:start] + bytes(4) + data[start + 4 :])
    np.testing.assert_allclose(read_waveform(tmp_path / "a.wav").samples, whole.samples, atol=2**-24)


def test_a_few_samples_may_be_missing(tmp_path: Path) -> None:
    path = wav(tmp_path)
    path.write_bytes(path.read_bytes()[: -9 * 2])
    assert len(read_waveform(path).samples) == 16_000 - 9
    path.write_bytes(path.read_bytes()[: -1000 * 2])
    with pytest.raises(MediaError, match="is truncated"):
        read_waveform(path)


def test_a_flac_from_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    whole = read_waveform(flac(tmp_path))
    assert read_waveform(from_a_pipe(tmp_path / "a.flac")).sha256 == whole.sha256
    assert probe_duration(tmp_path / "a.flac") == pytest.approx(1)


@pytest.mark.parametrize(
    ("made", "named", "codec"),
    [("a.m4a", "a.wav", "aac"), ("a.aac", "a.mp3", "aac"), ("a.webm", "a.ogg", "libopus"), ("a.m4a", "a.flac", "aac"),
     ("a.m4a", "a.mp3", "aac"), ("a.flac", "a.wav", "flac"), ("a.wav", "a.m4a", "pcm_s16le"),
     ("a.mp3", "a.wav", "libmp3lame"), ("a.amr", "a.wav", "libopencore_amrnb"), ("a.ogg", "a.mp3", "libopus"),
     ("a.aac", "a.wav", "aac")],
)  # fmt: skip
def test_the_content_decides_not_the_name(tmp_path: Path, made: str, named: str, codec: str) -> None:
    rate = {"libopus": 48_000, "libopencore_amrnb": 8_000}.get(codec, 16_000)
    path = write_av(tmp_path / made, tone(rate, 3.0), rate, codec).rename(tmp_path / named)
    wave = read_waveform(path)
    assert wave.duration_s == pytest.approx(3, abs=0.1)
    assert loudest_hz(wave) == pytest.approx(440, abs=2)
    assert probe_duration(path) == pytest.approx(3, abs=0.3)


def test_a_wav_may_hold_mp3(tmp_path: Path) -> None:
    wave = read_waveform(write_av(tmp_path / "a.wav", tone(16_000, 3.0), 16_000, "libmp3lame"))
    assert wave.duration_s == pytest.approx(3, abs=0.1)
    assert loudest_hz(wave) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("peak", [1.0001, 1.5, 4.0])
def test_floats_a_little_too_loud_stay_as_they_are(tmp_path: Path, peak: float) -> None:
    loud = tone(16_000) * np.float32(2 * peak)
    soundfile.write(tmp_path / "a.wav", loud, 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(read_waveform(tmp_path / "a.wav").samples, loud)


def test_channels_of_different_loudness_do_not_count_as_opposite(tmp_path: Path) -> None:
    left = tone(16_000)
    for right in (-0.8 * left, np.zeros_like(left), np.random.default_rng(0).normal(0, 0.3, len(left))):
        soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
        assert len(read_waveform(tmp_path / "a.wav").samples) == 16_000


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


def test_a_flac_whose_header_has_another_rate_than_its_frames_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", "soundfile:FLAC:PCM_16", seconds=0.5)
    data = bytearray(path.read_bytes())
    rate = int.from_bytes(data[18:21], "big") >> 4
    assert rate == 16_000
    data[18:20] = (14_000 >> 4).to_bytes(2, "big")
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"a\.flac is damaged: its header says 14000 Hz, its first frame 16000 Hz"):
        read_waveform(path)
