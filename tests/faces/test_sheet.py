"""Contact sheets: the right pictures at the right places."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ravfeat.errors import MediaError
from ravfeat.faces.sheet import SheetRow, draw_sheet, sheet_png, stored_crops
from tests.media.videos import write_video

RED_FRAME = (0xD6, 0x27, 0x28)


def row(n: int = 3, size: int = 32, *, found: tuple[bool, ...] | None = None, title: str = "a clip") -> SheetRow:
    crops = tuple(np.full((size, size, 3), 40 * k + 10, np.uint8) for k in range(n))
    return SheetRow(title, crops, tuple(k / 2 for k in range(n)), found or (True,) * n)


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), level, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten pictures, each with a grey of its own."""
    return write_video(tmp_path / "a.mkv", [grey(20 * n + 20) for n in range(10)], codec="ffv1", pix_fmt="bgr0")


def cut(path: Path, n: int, times_s: NDArray[np.float64], found: NDArray[np.float32] | None = None) -> SheetRow:
    boxes = np.tile(np.float32([10, 10, 30, 30]), (len(times_s), 1))
    found = np.ones(len(times_s), np.float32) if found is None else found
    return stored_crops(path, times_s, boxes, found, margin=1.2, n=n, size=16, title="x")


@pytest.mark.parametrize(("n", "pictures"), [(1, [0]), (3, [0, 4, 9]), (4, [0, 3, 6, 9]), (50, list(range(10)))])
def test_crops_are_those_of_the_stored_times(video: Path, n: int, pictures: list[int]) -> None:
    found = np.float32([1, 1, 1, 1, 0, 1, 1, 1, 1, 0.4])
    made = cut(video, n, np.arange(10) / 25, found)
    assert [int(crop.mean()) for crop in made.crops] == [20 * k + 20 for k in pictures]
    assert made.times_s == tuple(k / 25 for k in pictures)
    assert made.found == tuple(k not in (4, 9) for k in pictures)
    assert {crop.shape for crop in made.crops} == {(16, 16, 3)}


def test_stored_times_may_be_some_of_the_videos(video: Path) -> None:
    made = cut(video, 3, np.array([0.0, 0.2, 0.36]))
    assert [int(crop.mean()) for crop in made.crops] == [20, 120, 200]


def test_the_stored_boxes_are_the_ones_that_are_cut(tmp_path: Path) -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[20:40, 30:50] = 200
    path = write_video(tmp_path / "a.mkv", [picture] * 2, codec="ffv1", pix_fmt="bgr0")
    boxes = np.float32([[30, 20, 50, 40], [0, 0, 20, 20]])
    made = stored_crops(path, np.array([0, 0.04]), boxes, np.ones(2), margin=1.0, n=2, size=20)
    assert [int(crop.mean()) for crop in made.crops] == [200, 0]


def test_a_shorter_video_than_the_stored_one_is_refused(video: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.mkv has no picture at 1\.000 s, where the cache has one"):
        cut(video, 2, np.array([0.0, 1.0]))


def test_every_crop_is_on_the_sheet_and_only_fallbacks_have_a_red_frame() -> None:
    sheet = np.asarray(draw_sheet([row(found=(True, False, True), title=""), row(2, title="")]))
    framed = (sheet == RED_FRAME).all(axis=2)
    for level, n in ((10, 2), (50, 2), (90, 1)):
        shown = (sheet == level).all(axis=2)
        assert shown.sum() >= n * 32 * 32
    columns = np.flatnonzero(framed[:60].sum(axis=0) > 20)
    middle = np.flatnonzero((sheet[:60] == 50).all(axis=2).any(axis=0))
    assert columns.min() == middle.min() - 3
    assert columns.max() == middle.max() + 3
    assert not framed[80:].any()


def test_titles_times_and_fallbacks_are_written() -> None:
    def differ(one: SheetRow, other: SheetRow) -> bool:
        return np.asarray(draw_sheet([one])).tobytes() != np.asarray(draw_sheet([other])).tobytes()

    assert differ(row(title="a clip"), row(title="another"))
    assert differ(row(), dataclasses.replace(row(), times_s=(0.0, 0.5, 2.0)))
    assert not differ(row(), row())


def test_a_long_title_is_not_cut_off() -> None:
    assert draw_sheet([row(1, title="x" * 80)]).width > draw_sheet([row(1)]).width > 40


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one row with a crop"):
        draw_sheet([row(0)])


def test_the_png_is_the_sheet_and_always_the_same() -> None:
    png = sheet_png([row()])
    assert png == sheet_png([row()])
    with Image.open(io.BytesIO(png)) as read:
        np.testing.assert_array_equal(np.asarray(read), np.asarray(draw_sheet([row()])))
