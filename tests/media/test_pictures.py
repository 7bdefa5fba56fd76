"""Pictures: what comes out, when, and what is said of files that cannot be used."""

import hashlib
import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import ravfeat.media.pictures
from ravfeat.errors import MediaError
from ravfeat.media.pictures import Picture, read_pictures
from ravfeat.media.probe import probe_duration
from ravfeat.media.source import Recording
from tests.media.videos import BLUE, GREEN, GREY, RED, corners, cut, noise, overwrite, quarters, write_video


def read(path: Path, *, fps: float | None = None) -> tuple[list[Picture], Recording]:
    pictures, reading = [], read_pictures(path, fps=fps)
    while True:
        try:
            pictures.append(next(reading))
        except StopIteration as end:
            return pictures, end.value


def times(path: Path, *, fps: float | None = None) -> list[float]:
    return [round(picture.time_s, 4) for picture in read(path, fps=fps)[0]]


def close_to(colours: list[tuple[int, ...]], *expected: tuple[int, ...], within: int = 25) -> bool:
    return bool(np.abs(np.array(colours, int) - np.array(expected)).max() <= within)


# --- pixels

FORMATS = [
    ("a.mp4", "libx264", "yuv420p", 64, 48),
    ("a.mp4", "libx264", "yuv444p10le", 64, 48),
    ("a.mov", "mjpeg", "yuvj420p", 321, 243),
    ("a.avi", "mpeg4", "yuv420p", 321, 243),
    ("a.avi", "rawvideo", "bgr24", 33, 21),
    ("a.avi", "rawvideo", "yuyv422", 34, 22),
    ("a.mov", "qtrle", "argb", 33, 21),
    ("a.mov", "png", "rgba", 33, 21),
    ("a.mkv", "ffv1", "yuva420p", 321, 243),
    ("a.mkv", "ffv1", "gbrp12le", 33, 21),
    ("a.webm", "libvpx-vp9", "yuv420p", 64, 48),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "width", "height"), FORMATS)
def test_any_format_and_size_comes_as_rgb(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, width: int, height: int
) -> None:
    path = write_video(tmp_path / name, [quarters(width, height)] * 3, codec=codec, pix_fmt=pix_fmt)
    pictures, recording = read(path)
    assert recording.n_samples == len(pictures) == 3
    rgb = pictures[2].rgb
    assert (rgb.shape, rgb.dtype, rgb.flags.c_contiguous) == ((height, width, 3), np.uint8, True)
    assert close_to(corners(rgb), RED, GREEN, BLUE, GREY)


def test_grey_comes_as_rgb(tmp_path: Path) -> None:
    grey = np.full((21, 33, 3), 77, np.uint8)
    for pix_fmt in ("gray", "gray16le"):
        path = write_video(tmp_path / f"{pix_fmt}.mkv", [grey] * 2, codec="ffv1", pix_fmt=pix_fmt)
        assert np.ptp(read(path)[0][0].rgb.astype(int) - 77) <= 1


def test_full_range_is_not_stretched_twice(tmp_path: Path) -> None:
    dark = np.full((48, 64, 3), 8, np.uint8)
    path = write_video(tmp_path / "a.mov", [dark] * 2, codec="mjpeg", pix_fmt="yuvj420p")
    assert abs(int(read(path)[0][0].rgb.mean()) - 8) <= 2


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ((None, False), (RED, GREEN, BLUE, GREY)),
        ((90, False), (GREEN, GREY, RED, BLUE)),  # counter-clockwise: right goes up
        ((-90, False), (BLUE, RED, GREY, GREEN)),
        ((180, False), (GREY, BLUE, GREEN, RED)),
        ((0, True), (GREEN, RED, GREY, BLUE)),
        ((90, True), (GREY, GREEN, BLUE, RED)),
        ((30, False), (RED, GREEN, BLUE, GREY)),
    ],
)
def test_pictures_stand_upright(tmp_path: Path, turn: tuple[int | None, bool], expected: object) -> None:
    rotation, mirrored = turn
    path = write_video(tmp_path / "a.mp4", [quarters()] * 2, rotation=rotation, mirrored=mirrored)
    rgb = read(path)[0][1].rgb
    assert rgb.shape == ((64, 48, 3) if rotation in (90, -90) else (48, 64, 3))
    assert rgb.flags.c_contiguous
    assert close_to(corners(rgb), *expected)  # type: ignore[misc]


def test_pictures_left_out_are_never_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 10)
    converted = []
    monkeypatch.setattr(ravfeat.media.pictures, "upright_rgb", lambda frame, *_: converted.append(frame.pts))
    pictures, recording = read(path, fps=5)
    assert [picture.rgb for picture in pictures] == [None, None]
    assert len(converted) == 2
    assert recording.n_samples == 10


def test_a_picture_may_be_kept_after_the_next_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", noise(4, 32, 32), codec="ffv1", pix_fmt="bgr0")
    kept = read(path)[0]
    for picture, original in zip(kept, noise(4, 32, 32), strict=True):
        np.testing.assert_array_equal(picture.rgb, original)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize(
    ("pixel", "shape"), [(Fraction(64, 45), (48, 91, 3)), (Fraction(8, 9), (54, 64, 3)), (Fraction(4), (48, 256, 3))]
)
def test_pixels_that_are_not_square_are_made_square(
    tmp_path: Path, name: str, pixel: Fraction, shape: tuple[int, ...]
) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = write_video(tmp_path / name, [quarters()] * 5, codec=codec, pixel=pixel)
    as_is = write_video(tmp_path / f"square-{name}", [quarters()] * 5, codec=codec)
    (picture, *_), recording = read(path)
    (square, *_), _ = read(as_is)
    assert picture.rgb.shape == shape
    assert close_to(corners(picture.rgb), *corners(square.rgb))  # type: ignore[misc]
    # What was recorded is the same; only what is made of it differs.
    assert recording.input_sha256 == read(as_is)[1].input_sha256


def test_pixels_that_are_not_square_stay_with_their_picture_when_it_is_turned(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 2, pixel=Fraction(2), rotation=90)
    assert read(path)[0][0].rgb.shape == (128, 48, 3)


@pytest.mark.parametrize("pixel", [Fraction(5), Fraction(1, 5), Fraction(1, 50)])
def test_pixels_of_an_impossible_shape_are_refused(tmp_path: Path, pixel: Fraction) -> None:
    path = write_video(tmp_path / "a.mkv", [quarters()] * 2, pixel=pixel)
    with pytest.raises(MediaError, match=rf"has pixels of {pixel.numerator}:{pixel.denominator}, which no camera has"):
        read(path)


@pytest.mark.parametrize("pixel", [Fraction(1), Fraction(404, 405), Fraction(1281, 1280)])
def test_pixels_that_are_square_but_for_rounding_are_read_as_they_are(tmp_path: Path, pixel: Fraction) -> None:
    as_is = write_video(tmp_path / "a.mp4", [quarters()] * 5)
    path = write_video(tmp_path / "b.mp4", [quarters()] * 5, pixel=pixel)
    assert read(path)[1] == read(as_is)[1]
    assert read(path)[0][0].rgb.shape == (48, 64, 3)


# --- times


def test_times_are_those_of_the_file(tmp_path: Path) -> None:
    stamps_ms = [0, 40, 45, 200, 1000, 1001]
    path = write_video(tmp_path / "a.mkv", [quarters()] * 6, stamps_ms=stamps_ms)
    assert times(path) == [stamp_ms / 1000 for stamp_ms in stamps_ms]


def test_times_count_from_the_clips_start(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [quarters()] * 3, stamps_ms=[5000, 5040, 5080])
    assert times(path) == [0, 0.04, 0.08]
    assert read(path)[1].rate_hz == pytest.approx(25)


def test_a_transport_stream_starts_at_zero(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [quarters()] * 5)
    with av.open(str(path)) as container:
        assert container.start_time
    assert times(path) == [0, 0.04, 0.08, 0.12, 0.16]


def test_a_stream_without_any_timestamps_has_its_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", [quarters()] * 5)
    assert times(path) == [0, 0.04, 0.08, 0.12, 0.16]


def test_ten_pictures_a_second_are_every_third(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 30, rate=Fraction(30_000, 1001))
    assert times(path, fps=10) == times(path)[::3]
    assert times(path, fps=100) == times(path)


def test_the_mean_rate_counts_the_last_pictures_duration(tmp_path: Path) -> None:
    one = read(write_video(tmp_path / "one.mp4", [quarters()]))[1]
    assert (one.n_samples, one.rate_hz) == (1, pytest.approx(25))
    many = read(write_video(tmp_path / "many.mp4", [quarters()] * 50))[1]
    assert many.n_samples / many.rate_hz == pytest.approx(2.0)


def test_the_length_of_a_video_without_sound_is_known(tmp_path: Path) -> None:
    assert probe_duration(write_video(tmp_path / "a.mp4", [quarters()] * 50), "video") == pytest.approx(2.0)
    live = write_video(tmp_path / "a.webm", [quarters()] * 50, codec="libvpx-vp9", live="1")
    with av.open(str(live)) as container:
        assert container.duration is None
    assert probe_duration(live, "video") == pytest.approx(2.0, abs=0.05)


def test_sound_and_pictures_of_one_file_have_lengths_of_their_own(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 25, sound_s=3.0)
    assert probe_duration(path, "video") == pytest.approx(1.0)
    assert probe_duration(path) == probe_duration(path, "audio") == pytest.approx(3.0, abs=0.1)
    silent = write_video(tmp_path / "b.mp4", [quarters()] * 25)
    assert probe_duration(silent, "audio") == pytest.approx(1.0)  # what the file says, for want of a sound


# --- the digest


def test_the_digest_is_of_size_format_and_planes_without_padding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", noise(3, 33, 21), codec="ffv1", pix_fmt="yuv420p")
    expected = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.planes[0].line_size > 33  # there is padding to leave out
            expected.update((33).to_bytes(8, "little") + (21).to_bytes(8, "little") + b"yuv420p")
            for plane, (width, height) in zip(frame.planes, [(33, 21), (17, 11), (17, 11)], strict=True):
                lines = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
                expected.update(lines[:, :width].tobytes())
    assert read(path)[1].input_sha256 == expected.hexdigest()


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "n_bytes"),
    [
        ("rawvideo", "rgb24", 3),
        ("ffv1", "bgr0", 4),
        ("ffv1", "gray16le", 2),
        ("ffv1", "gbrp12le", 6),
        ("qtrle", "argb", 4),
    ],
)
def test_the_digest_takes_every_byte_of_every_pixel(tmp_path: Path, codec: str, pix_fmt: str, n_bytes: int) -> None:
    class Counted:
        n = 0

        def update(self, data: object) -> None:
            self.n += memoryview(data).nbytes  # type: ignore[arg-type]

    name = "a.mkv" if codec == "ffv1" else "a.mov"
    path = write_video(tmp_path / name, noise(1, 33, 21), codec=codec, pix_fmt=pix_fmt)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    counted = Counted()
    ravfeat.media.pictures.add_to_digest(counted, frame)
    assert counted.n == 16 + len(frame.format.name) + 33 * 21 * n_bytes


def test_the_digest_knows_pictures_and_neither_container_nor_times_nor_choice(tmp_path: Path) -> None:
    def digest(name: str, pictures: list[NDArray[np.uint8]], fps: float | None = None, **options: object) -> str:
        path = write_video(tmp_path / name, pictures, codec="ffv1", pix_fmt="bgr0", **options)  # type: ignore[arg-type]
        return read(path, fps=fps)[1].input_sha256

    pictures = noise(4, 32, 24)
    whole = digest("a.mkv", pictures)
    assert digest("b.avi", pictures) == whole
    assert digest("c.mkv", pictures, stamps_ms=[0, 7, 100, 900]) == whole
    assert digest("d.mkv", pictures, fps=2) == whole
    assert digest("e.mkv", pictures[:3]) != whole
    pictures[2][3, 4, 1] ^= 1
    assert digest("f.mkv", pictures) != whole


# --- what cannot be used


def sound_only(folder: Path, *, cover: bool = False) -> Path:
    path = folder / "a.mp4"
    with av.open(str(path), "w") as container:
        voice = container.add_stream("aac", rate=16_000, layout="mono")
        image = container.add_stream("mjpeg", rate=1) if cover else None
        block = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        block.sample_rate = 16_000
        if image is not None:
            image.width = image.height = 32
            image.pix_fmt = "yuvj420p"
            image.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(quarters(32, 32), format="rgb24")
            for packet in [*image.encode(frame), *image.encode(None)]:
                container.mux(packet)
        for packet in [*voice.encode(block), *voice.encode(None)]:
            container.mux(packet)
    return path


def no_pictures(folder: Path) -> Path:
    path = folder / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    return path


def video(name: str, codec: str = "libx264", **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        return write_video(folder / name, noise(40), codec=codec, pix_fmt=pix_fmt, **options)  # type: ignore[arg-type]

    return write


def text(folder: Path) -> Path:
    (folder / "a.mp4").write_bytes(b"hello " * 100)
    return folder / "a.mp4"


def empty(folder: Path) -> Path:
    (folder / "a.mp4").touch()
    return folder / "a.mp4"


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "nothing.mp4", "is not there"),
    "folder": (lambda folder: folder, "is not a file"),
    "name too long": (lambda folder: folder / ("x" * 400 + ".mp4"), "cannot be read"),
    "empty": (empty, "is empty"),
    "text": (text, "cannot be decoded as video"),
    "sound only": (sound_only, "has no video track"),
    "a song's cover": (lambda folder: sound_only(folder, cover=True), "has no video track"),
    "no pictures": (no_pictures, "has a video track without pictures|cannot be decoded as video"),
    "index at the end, cut": (lambda folder: cut(video("a.mp4")(folder), 0.5), "cannot be decoded as video"),
    "index in front, cut": (
        lambda folder: cut(video("a.mp4", movflags="faststart")(folder), 0.5),
        r"is damaged after \d+ pictures \(.*\); the file was cut off or changed",
    ),
    "index in front, cut near the end": (
        lambda folder: cut(video("a.mp4", movflags="faststart")(folder), 0.95),
        r"is damaged after 3\d pictures",
    ),
    "index in front, every picture whole, cut": (
        lambda folder: cut(video("a.mov", "mjpeg", movflags="faststart")(folder), 0.5),
        r"is truncated: its header promises 1\.60 s, 0\.\d\d s could be decoded",
    ),
    "mkv, cut": (lambda folder: cut(video("a.mkv")(folder), 0.5), r"is truncated: its header promises 1\.60 s"),
    "mkv with longer sound, cut": (
        lambda folder: cut(video("a.mkv", sound_s=3.0)(folder), 0.5),
        r"is truncated: its header promises 1\.60 s",
    ),
    "changed in the middle": (lambda folder: overwrite(video("a.mp4")(folder), 0.5), r"is damaged after \d+ pictures"),
    "changed in the middle, concealed": (
        lambda folder: overwrite(video("a.avi", "mpeg4")(folder), 0.5),
        r"is damaged after \d+ pictures \(the next one cannot be decoded whole\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    make, message = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(MediaError, match=message) as caught:
        read(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.flv", "a.ts", "a.avi"])
@pytest.mark.parametrize("sound_s", [0.0, 1.0])
def test_a_part_of_a_video_does_not_pass_as_whole(tmp_path: Path, name: str, sound_s: float) -> None:
    if name == "a.webm":
        path = write_video(tmp_path / name, noise(20), codec="libvpx")
    else:
        path = write_video(tmp_path / name, noise(20), codec="mpeg4" if name == "a.avi" else "libx264", sound_s=sound_s)
    assert read(path)[1].n_samples == 20
    with pytest.raises(MediaError, match=r"is truncated|is damaged|cannot be decoded|without pictures"):
        read(cut(path, 2 / 3))


def test_of_joined_videos_not_only_the_first_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", noise(5))
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(MediaError, match="several recordings, one after the other"):
        read(path)


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(MediaError, match=r"a\.mp4 is a Git LFS pointer"):
        read(tmp_path / "a.mp4")


def test_sound_that_is_longer_than_the_video_is_no_lost_tail(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", noise(10), sound_s=3.0)
    assert read(path)[1].n_samples == 10


def test_absurd_sizes_are_refused_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()])
    monkeypatch.setattr(ravfeat.media.pictures, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(MediaError, match="has pictures of 64 x 48 pixels; more than 3071 are not read"):
        next(read_pictures(path))


def test_pictures_may_change_their_size(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / "small.h264", [quarters(64, 48)] * 3).read_bytes(),
        write_video(tmp_path / "large.h264", [quarters(96, 80)] * 3).read_bytes(),
    ]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    pictures, recording = read(tmp_path / "a.h264")
    assert [picture.rgb.shape[:2] for picture in pictures] == [(48, 64)] * 3 + [(80, 96)] * 3
    assert all(close_to(corners(picture.rgb), RED, GREEN, BLUE, GREY) for picture in pictures)
    assert all(one.time_s < other.time_s for one, other in itertools.pairwise(pictures))
    assert recording.n_samples == 6


def test_a_reader_that_is_closed_early_lets_go_of_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", noise(10))
    reading = read_pictures(path)
    next(reading)
    links = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert path.resolve() in links
    reading.close()
    links = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert path.resolve() not in links


@pytest.mark.shared
def test_a_real_clip_has_all_its_pictures_at_its_rate(shared: Path) -> None:
    folder = shared / "data/ravdess_video/Actor_01"
    pictures, recording = read(folder / "02-01-01-01-01-01-01.mp4")
    assert recording.n_samples == len(pictures) == 98
    assert recording.rate_hz == pytest.approx(29.97, abs=0.01)
    assert pictures[97].time_s == pytest.approx(97 / 29.97, abs=0.001)
    assert pictures[0].rgb.shape == (360, 640, 3)
    assert recording.input_sha256 == read(folder / "02-01-01-01-01-01-01.mp4", fps=5)[1].input_sha256
