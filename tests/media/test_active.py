"""The speech-active part of a clip: held against a plain loop, and at the edges."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.media import active
from ravfeat.media.active import ActivePart, active_part
from ravfeat.schema import ACTIVE_COLUMNS

RATE_HZ = 16_000


def noise(seconds: float, level: float, rate_hz: int = RATE_HZ, seed: int = 3) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))
    return (level * values).astype(np.float32)


def clip(rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Half a second of background, a word, a pause, a word, and a second of background."""
    words = [(0.5, 0.002), (0.4, 0.1), (0.3, 0.002), (0.3, 0.2), (1.0, 0.002)]
    return np.concatenate([noise(seconds, level, rate_hz, seed) for seed, (seconds, level) in enumerate(words)])


def plainly(samples: NDArray[np.float32], rate_hz: int) -> tuple[float, float]:
    rms, places = [], []
    for hop in range(10**6):
        start, stop = hop * rate_hz // 100, (hop + 5) * rate_hz // 100
        if stop > len(samples):
            break
        rms.append(float(np.sqrt(np.mean(samples[start:stop].astype(np.float64) ** 2))))
        places.append((start, stop))
    threshold = max(0.06 * max(rms), 2 * np.percentile(rms, 10))
    loud = [place for place, value in zip(places, rms, strict=True) if value > threshold]
    start, stop = loud[0][0] - 0.1 * rate_hz, loud[-1][1] + 0.1 * rate_hz
    return max(0, start) / len(samples), min(len(samples), stop) / len(samples)


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_it_is_what_a_plain_loop_over_frames_finds_at_any_rate(rate_hz: int) -> None:
    samples = clip(rate_hz)
    part = active_part(samples, rate_hz)
    assert (part.start, part.end) == pytest.approx(plainly(samples, rate_hz), abs=1e-12)


def test_it_reaches_from_the_first_word_to_the_last_and_a_tenth_of_a_second_further() -> None:
    part = active_part(clip(), RATE_HZ)
    # 0.5 to 1.5 of 2.5 s; a frame of 50 ms is loud as soon as a part of it is.
    assert part.start * 2.5 == pytest.approx(0.5 - 0.1, abs=0.05)
    assert part.end * 2.5 == pytest.approx(1.5 + 0.1, abs=0.05)


def test_louder_or_softer_it_is_the_same() -> None:
    assert active_part(clip() * np.float32(0.25), RATE_HZ) == active_part(clip(), RATE_HZ)


def test_a_loud_background_raises_the_threshold() -> None:
    word = noise(0.5, 0.1)
    for level, speech in ((0.004, True), (0.08, False)):
        samples = np.concatenate([noise(1, level, seed=1), word, noise(1, level, seed=2)])
        assert (active_part(samples, RATE_HZ) != ActivePart(0.0, 1.0)) is speech


def test_it_does_not_leave_the_clip() -> None:
    assert active_part(clip()[8000 : 8000 + 6400 + 4800 + 4800], RATE_HZ) == ActivePart(0.0, 1.0)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE_HZ, np.float32),
        np.ones(RATE_HZ, np.float32),
        noise(0.04, 0.1),
        noise(0.05, 0.1),
        noise(1, 0.1)[:1],
    ],
    ids=["silence", "a constant", "less than a frame", "one frame", "one sample"],
)
def test_where_nothing_stands_out_it_is_the_whole_clip(samples: NDArray[np.float32]) -> None:
    assert active_part(samples, RATE_HZ) == ActivePart(0.0, 1.0)


def test_a_rate_below_that_of_the_hops_gives_the_whole_clip() -> None:
    assert active_part(noise(1, 0.1)[:60], 50) == ActivePart(0.0, 1.0)


def test_long_clips_are_read_in_blocks_without_another_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = active_part(clip(22_050), 22_050)
    monkeypatch.setattr(active, "_BLOCK_HOPS", 7)
    assert active_part(clip(22_050), 22_050) == whole


def test_it_is_stored_under_names_that_carry_the_version() -> None:
    assert ActivePart(0.1, 0.9).columns() == {"active1_start": 0.1, "active1_end": 0.9}
    assert tuple(ActivePart(0.1, 0.9).columns()) == ACTIVE_COLUMNS
