"""How values move during a clip."""

import numpy as np
import pytest

from ravfeat.numerics import time_course


def wave(n_frames: int, cycles: float) -> np.ndarray:
    """A sine of variance 1/2 with that many cycles in 256 frames."""
    return np.sin(2 * np.pi * cycles * np.arange(n_frames) / 256).astype(np.float32)[None, :, None]


@pytest.mark.parametrize(("cycles", "band"), [(2, 0), (4, 1), (7, 2), (12, 3), (25, 4), (50, 5)])
@pytest.mark.parametrize("n_frames", [256, 1000])
def test_a_wave_has_its_power_in_its_band(cycles: float, band: int, n_frames: int) -> None:
    assert np.argmax(time_course.band_powers(wave(n_frames, cycles))[0, :, 0]) == band


@pytest.mark.parametrize("n_frames", [40, 150, 256, 300, 2000])
def test_noise_has_its_variance_in_every_band_however_long_it_is(n_frames: int) -> None:
    noise = np.random.default_rng(1).normal(scale=3.0, size=(1, n_frames, 2000)).astype(np.float32)
    powers = np.exp(time_course.band_powers(noise)).mean(axis=-1)
    np.testing.assert_allclose(powers[0, 2:], 9.0, rtol=0.1)  # the mean that is subtracted takes from the first


def test_what_follows_the_last_whole_window_counts() -> None:
    still = np.zeros((1, 300, 1), np.float32)
    moving = still.copy()
    moving[:, 260:] = wave(40, 25)
    assert (time_course.band_powers(moving) > time_course.band_powers(still)).all()


def test_a_constant_that_is_added_changes_no_power() -> None:
    x = np.random.default_rng(2).normal(size=(2, 90, 4)).astype(np.float32)
    np.testing.assert_allclose(time_course.band_powers(x), time_course.band_powers(x + 64), atol=1e-4)


@pytest.mark.parametrize(
    ("n_frames", "expected"), [(1, [0, 0, 0]), (2, [0, 0.5, 1]), (4, [0.5, 1.5, 2.5]), (6, [0.5, 2.5, 4.5])]
)
def test_thirds_cover_a_clip_evenly(n_frames: int, expected: list[float]) -> None:
    x = np.arange(n_frames, dtype=np.float32)[None, :, None]
    assert [float(time_course.third(x, number)[0, 0]) for number in range(3)] == expected


def test_the_start_is_six_frames_or_what_there_is() -> None:
    x = np.arange(20, dtype=np.float32)[None, :, None]
    assert time_course.start(x)[0, 0] == 2.5
    assert time_course.start(x[:, :3])[0, 0] == 1.0


def test_an_even_motion_has_no_acceleration() -> None:
    x = np.arange(9, dtype=np.float32)[None, :, None]
    assert time_course.mean_absolute_acceleration(x)[0, 0] == 0
    assert time_course.mean_absolute_acceleration(x**2)[0, 0] == 2
    assert time_course.mean_absolute_acceleration(x[:, :2])[0, 0] == 0
