"""Times out of timestamps, and the grid of taken pictures."""

import itertools

import pytest

from ravfeat.media.clock import Grid, PictureClock

MS = 0.001


def times(*stamps_s: float | None, start_s: float | None = None, period_s: float = 0.04) -> list[float]:
    clock = PictureClock(period_s, start_s)
    return [round(clock.time_of(stamp_s), 6) for stamp_s in stamps_s]


def test_times_count_from_the_containers_start() -> None:
    assert times(5.0, 5.04, 5.5, start_s=4.5) == [0.5, 0.54, 1.0]


def test_times_count_from_the_first_picture_where_the_container_says_nothing_or_starts_later() -> None:
    assert times(5.0, 5.04) == [0.0, 0.04]
    assert times(5.0, 5.04, start_s=5.02) == [0.0, 0.04]


def test_a_picture_without_a_timestamp_comes_a_period_after_the_last() -> None:
    assert times(None, None, 0.1, None) == [0.0, 0.04, 0.1, 0.14]


def test_repeated_and_disordered_stamps_rise_without_moving_what_follows() -> None:
    assert times(0.0, 0.04, 0.04, 0.02, 0.08) == [0.0, 0.04, 0.045, 0.05, 0.08]


def test_a_clock_that_starts_again_goes_on_where_it_was() -> None:
    assert times(0.0, 0.04, 0.08, 0.0, 0.04, 0.08) == [0.0, 0.04, 0.08, 0.12, 0.16, 0.2]
    assert times(0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 5.0, period_s=1.0) == [0, 1, 2, 3, 4, 5, 6, 11]


def test_whatever_the_stamps_times_rise() -> None:
    for stamps in itertools.product((None, -1.0, 0.0, 0.01, 0.04, 7.0), repeat=4):
        given = times(*stamps, start_s=0.0)
        assert all(one < other for one, other in itertools.pairwise(given)), stamps


def test_the_end_is_when_the_last_picture_has_been_shown() -> None:
    clock = PictureClock(0.04, 0.0)
    clock.time_of(1.0, 0.5)
    assert (clock.first_s, clock.end_s) == (1.0, 1.5)
    clock.time_of(1.5)
    assert clock.end_s == pytest.approx(1.54)


def taken(rate_hz: float, times_s: list[float]) -> list[int]:
    grid = Grid(rate_hz)
    return [number for number, time_s in enumerate(times_s) if grid.takes(time_s)]


def test_every_third_picture_makes_ten_of_thirty() -> None:
    assert taken(10, [n / 30 for n in range(30)]) == list(range(0, 30, 3))


def test_no_picture_is_repeated_where_the_file_has_fewer() -> None:
    assert taken(100, [n / 25 for n in range(25)]) == list(range(25))


def test_the_same_rate_takes_every_picture_also_when_times_are_rounded_to_milliseconds() -> None:
    assert taken(30, [round(n / 30, 3) for n in range(3000)]) == list(range(3000))
    assert taken(29.97, [n * 1001 / 30000 for n in range(3000)]) == list(range(3000))


def test_after_a_gap_the_grid_goes_on_from_there() -> None:
    assert taken(10, [0.0, 0.05, 0.1, 0.95, 0.96, 1.0, 1.05]) == [0, 2, 3, 5]


def test_a_rate_that_does_not_divide_takes_the_first_picture_at_or_after_each_point() -> None:
    # points 0, 1/12, 2/12 … of pictures 0, 1/25, 2/25 …
    assert taken(12, [n / 25 for n in range(13)]) == [0, 3, 5, 7, 9, 11]
    assert taken(12, [n / 25 - 0.5 * MS * (n > 0) for n in range(13)]) == [0, 3, 5, 7, 9, 11]
