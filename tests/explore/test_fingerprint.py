"""Copies by their sound: gain, noise, shift, rate and cuts do not hide them; other clips are no copies."""

import numpy as np
import pytest
import soxr

from ravfeat.corpora.voice import SAMPLE_RATE_HZ, Delivery, Voice, speak
from ravfeat.explore.fingerprint import SAME, envelope_moves, near_pairs

VOICE = Voice(110.0, 1.0, -2.0, 0.6, -30.0, -60.0, (0.0, 0.0))
SPREAD = (2, 1, 1, 2, 0.5, 1, 0.1, 0.1)


def say(vowels: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    delivery = Delivery((0.0, 0.0), (0.0, 0.0), *(float(x) for x in rng.normal(0, SPREAD)))
    return speak(VOICE, delivery, vowels, 1.5, rng).astype(np.float32)


SPOKEN = [say("aeio@uaei", seed) for seed in range(6)]


def noisy(x: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).standard_normal(len(x)) * np.sqrt(np.mean(x**2))
    return (x + 10 ** (-30 / 20) * noise).astype(np.float32)


COPIES = {
    "noise at 30 dB": lambda x: (noisy(x), SAMPLE_RATE_HZ),
    "50 ms of silence in front": lambda x: (np.concatenate([np.zeros(800, np.float32), x]), SAMPLE_RATE_HZ),
    "a third of the gain": lambda x: (x / 3, SAMPLE_RATE_HZ),
    "8 kHz": lambda x: (soxr.resample(x, SAMPLE_RATE_HZ, 8000), 8000),
    "44.1 kHz": lambda x: (soxr.resample(x, SAMPLE_RATE_HZ, 44_100), 44_100),
    "upside down": lambda x: (-x, SAMPLE_RATE_HZ),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_found_and_other_takes_of_the_sentence_are_not(change) -> None:
    copy, rate_hz = COPIES[change](SPOKEN[2])
    moves = [*(envelope_moves(x, SAMPLE_RATE_HZ) for x in SPOKEN), envelope_moves(copy, rate_hz)]
    assert [(a, b) for a, b, _ in near_pairs(moves)] == [(2, 6)]


def test_the_most_alike_come_first_and_a_copy_as_it_is_has_1() -> None:
    moves = [envelope_moves(x, SAMPLE_RATE_HZ) for x in (SPOKEN[0], SPOKEN[1], noisy(SPOKEN[1]), SPOKEN[0])]
    pairs = near_pairs(moves)
    assert [pair[:2] for pair in pairs] == [(0, 3), (1, 2)]
    assert pairs[0][2] == pytest.approx(1)
    assert SAME <= pairs[1][2] < 1


@pytest.mark.parametrize("n", [0, 1, 50, 32_000])
def test_clips_without_anything_to_compare_are_alike_to_none(n) -> None:
    moves = [envelope_moves(np.zeros(n, np.float32), SAMPLE_RATE_HZ)] * 2
    assert near_pairs(moves) == []
    assert near_pairs([]) == []


def test_no_more_than_ten_seconds_are_compared() -> None:
    noise = np.random.default_rng(0).standard_normal(30 * 8000).astype(np.float32)
    assert envelope_moves(noise, 8000).shape == (1024, 80)
