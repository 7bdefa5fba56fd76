import io

import numpy as np
from PIL import Image

from ravfeat.demo.thumbnails import thumbnails
from tests.media.videos import quarters, write_video


def test_pictures_are_evenly_spaced_small_and_know_the_size_of_the_whole(tmp_path) -> None:
    pictures = [np.full((480, 640, 3), 4 * number, np.uint8) for number in range(60)]
    frames = thumbnails(write_video(tmp_path / "a.mp4", pictures, rate=30), 4)
    assert [round(frame.time_s, 2) for frame in frames] == [0.27, 0.77, 1.27, 1.77]
    assert {(frame.width, frame.height) for frame in frames} == {(640, 480)}
    shades = []
    for frame in frames:
        image = Image.open(io.BytesIO(frame.jpeg))
        assert max(image.size) <= 240
        shades.append(np.asarray(image).mean())
    np.testing.assert_allclose(shades, [4 * number for number in (8, 23, 38, 53)], atol=6)


def test_a_video_without_length_in_its_header_has_them_too(tmp_path) -> None:
    path = write_video(tmp_path / "a.webm", [quarters()] * 20, codec="libvpx", rate=10, live="1")
    assert len(thumbnails(path, 5)) == 5


def test_what_is_no_video_has_none(tmp_path) -> None:
    (tmp_path / "a.mp4").write_text("no video", encoding="utf-8")
    assert thumbnails(tmp_path / "a.mp4") == []
    assert thumbnails(tmp_path / "missing.mp4") == []


def test_fewer_pictures_than_are_wanted_are_all_given_once(tmp_path) -> None:
    frames = thumbnails(write_video(tmp_path / "a.mp4", [quarters()] * 2, rate=2), 6)
    times = [frame.time_s for frame in frames]
    assert 1 <= len(times) <= 2
    assert sorted(set(times)) == times
