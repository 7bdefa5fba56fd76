"""Crops: where they lie, what stands outside, how they are resized."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ravfeat.faces.crop import _patch, crop, crop_recipe


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)


def ramp(width: int = 160, height: int = 90) -> NDArray[np.uint8]:
    """Red is x, green is y."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


def test_a_box_of_the_wanted_size_comes_back_as_it_is(picture: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(crop(picture, (40, 20, 72, 52), margin=1.0, size=32), picture[20:52, 40:72])


@pytest.mark.parametrize("box", [(40, 20, 72, 52), (40.3, 20.6, 70.1, 50.4), (30, 10, 110, 75), (50, 30, 58, 39)])
def test_inside_the_picture_it_is_pillows_own_resize(picture: NDArray[np.uint8], box: tuple[float, ...]) -> None:
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    whole = Image.fromarray(picture).resize((24, 24), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    np.testing.assert_allclose(crop(picture, box, margin=1.0, size=24).astype(int), np.asarray(whole), atol=1)


def test_the_square_has_the_boxs_centre_and_the_margin_times_its_longer_side() -> None:
    cut = crop(ramp(), (60, 35, 100, 55), margin=1.5, size=60)  # centre (80, 45), side 60
    assert cut.shape == (60, 60, 3)
    assert cut[0, 0].tolist() == [50, 15, 0]
    assert cut[-1, -1].tolist() == [109, 74, 0]


def test_fractions_of_a_pixel_count() -> None:
    steep = 4 * ramp(60, 60)
    middles = [crop(steep, (x, 20, x + 10, 30), margin=1.0, size=5)[2, 2, 0].astype(int) for x in (20, 20.25, 20.5)]
    assert np.diff(middles).tolist() == [1, 1]


def test_outside_the_picture_its_edges_are_repeated() -> None:
    cut = crop(ramp(), (-20, -20, 20, 20), margin=1.0, size=40)
    assert (cut[:20, :20] == cut[0, 0]).all()
    assert cut[0, 0].tolist() == [0, 0, 0]
    assert cut[39, 39].tolist() == [19, 19, 0]
    beyond = crop(ramp(), (300, 200, 340, 240), margin=1.0, size=8)
    assert (beyond == [159, 89, 0]).all()


@pytest.mark.parametrize("extent", [1, 40, 200])
@pytest.mark.parametrize(("x", "y"), [(20, 30), (-10, 20), (100, 70), (-300, -300), (400, 10), (-5, -5)])
def test_a_patch_is_the_nearest_pixel_of_the_picture(picture: NDArray[np.uint8], x: int, y: int, extent: int) -> None:
    rows, columns = np.clip(np.arange(y, y + extent), 0, 89), np.clip(np.arange(x, x + extent), 0, 159)
    patch = _patch(picture, x, y, extent)
    np.testing.assert_array_equal(patch, picture[rows[:, None], columns])
    assert patch.flags.c_contiguous


def test_a_box_without_extent_gives_a_crop_all_the_same(picture: NDArray[np.uint8]) -> None:
    assert crop(picture, (30, 30, 30, 30), margin=1.0, size=8).shape == (8, 8, 3)


def test_reducing_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.ptp(crop(stripes, (0, 0, 64, 64), margin=1.0, size=8)[:, 1:-1].astype(int)) <= 2
    assert crop(stripes, (0, 0, 64, 64), margin=1.0, size=8)[4, 4, 0] == pytest.approx(100, abs=2)


def test_the_picture_is_left_as_it_was(picture: NDArray[np.uint8]) -> None:
    before = picture.copy()
    result = crop(picture, (40, 20, 72, 52), margin=1.0, size=32)
    assert not np.shares_memory(result, picture)
    np.testing.assert_array_equal(picture, before)


def test_the_recipe_names_margin_and_size() -> None:
    assert crop_recipe(1.25, 112) == "square crop, margin 1.25, 112 px, edges repeated, bilinear antialiased/1"
    assert crop_recipe(1.0, 112).startswith("square crop, margin 1, 112 px")
