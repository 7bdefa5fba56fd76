"""Real voices and faces: what fusion is worth, that nothing is learned from test actors, and what is unlike them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat import metrics
from ravfeat.cache import Cache, open_cache
from ravfeat.calibrate import calibrate
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads
from ravfeat.media.sound import Waveform
from ravfeat.predictions import System
from ravfeat.protocols.folds import Fold, make_folds
from ravfeat.protocols.named import get_protocol
from ravfeat.published.domain import Domain, clip_means, distances, fit_domain
from ravfeat.stats import paired_difference

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def fitted(voice_cache, face_caches) -> Fitted:
    """How a spectrogram changes beside both face features: three systems, of one layer each to choose from."""
    caches = (voice_cache, *face_caches.values())
    return fit_heads(FitPlan(caches=caches, heads=("logreg",), layers="last", select="nested"))


def named(fitted: Fitted, stream: str) -> System:
    return next(system for system in fitted.predictions.systems() if system.stream == stream)


def uar(fitted: Fitted, system: System) -> float:
    probs = fitted.predictions.seed_averaged(system)
    return metrics.uar(probs.y, metrics.decide(probs.log_probs))


def test_voice_and_face_are_far_better_together(fitted) -> None:
    fused = calibrate(fitted.predictions, named(fitted, "fused")).test
    assert len(fused) == 1440
    for system in fitted.fusion.systems:
        found = paired_difference(fused, calibrate(fitted.predictions, system).test)
        assert found.value > 0.08
        assert found.ci_low > 0
        assert found.p < 0.01


def test_multiplying_beats_averaging(fitted) -> None:
    assert uar(fitted, named(fitted, "fused-loglinear")) > uar(fitted, named(fitted, "fused-linear"))


def test_calibration_is_within_five_points_of_confidence(fitted) -> None:
    for stream in ("fused", "fused-loglinear"):
        tested = calibrate(fitted.predictions, named(fitted, stream)).test
        assert metrics.ece(tested.y, tested.probs) <= 0.05


def test_every_fold_learned_from_the_1200_clips_of_actors_it_does_not_test(fitted) -> None:
    assert [(one.n, one.split) for one in fitted.fusion.folds] == [(1200, "val")] * 6
    assert all((one.loglinear > 0).all() for one in fitted.fusion.folds)
    assert np.ptp([one.loglinear for one in fitted.fusion.folds], axis=0).max() < 0.4


def test_the_floor_holds_where_it_is_promised(fitted) -> None:
    for one in fitted.fusion.folds:
        assert one.scores[one.chosen].uar >= max(score.uar for score in one.singles) - 1e-9


# --- what is unlike the training clips; here, so that both read the same caches

RATE_HZ = 16_000


def learned(cache: Cache) -> tuple[Domain, list[Fold], np.ndarray, list[str]]:
    """The domain of a cache under the published protocol, and what it was learned from."""
    records = [record for _, record in sorted(cache.records().items())]
    folds = make_folds(get_protocol("ravdess6"), records)
    means = clip_means(cache, [record.clip_id for record in records], None)
    domain = fit_domain(means, {fold.number: fold.train for fold in folds}, [(fold.train, fold.val) for fold in folds])
    assert domain is not None
    return domain, folds, means, [record.actor for record in records]


@pytest.fixture(scope="module")
def voices(voice_cache: Path) -> tuple[Domain, list[Fold], np.ndarray, list[str]]:
    return learned(open_cache(voice_cache))


def unlike(domain: Domain, folds: list[Fold], means: np.ndarray, actors: list[str]) -> float:
    """Share of test clips above a limit that comes of validation clips of other actors than theirs."""
    above = 0
    for fold in folds:
        tested = {actors[row] for row in fold.test}
        others = [(other, [row for row in other.val if actors[row] not in tested]) for other in folds]
        held_out = np.concatenate([distances(means[rows], domain.moments[other.number]) for other, rows in others])
        above += int((distances(means[fold.test], domain.moments[fold.number]) > np.percentile(held_out, 99)).sum())
    return above / len(means)


def test_at_most_one_of_twenty_clips_of_actors_never_met_is_called_unlike(voices, face_caches) -> None:
    assert unlike(*voices) < 0.05
    for path in face_caches.values():
        assert unlike(*learned(open_cache(path))) < 0.05


def test_a_tone_noise_and_half_a_second_of_speech_are_unlike(voices, shared) -> None:
    rng = np.random.default_rng(0)
    speech, rate_hz = soundfile.read(shared / "data/ravdess/Actor_01/03-01-05-01-01-01-01.flac", dtype="float32")
    assert rate_hz == RATE_HZ
    loudest = int(np.argmax(np.convolve(np.abs(speech), np.ones(8000), "valid")))
    odd = {
        "tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(3.7 * RATE_HZ) / RATE_HZ),
        "noise": 0.1 * rng.normal(size=int(3.7 * RATE_HZ)),
        "half a second": speech[loudest : loudest + 8000],
    }
    domain, encoder = voices[0], LogMelEncoder()
    assert domain.distance(0, mean_of(encoder, speech)) < domain.limit(0)
    for name, samples in odd.items():
        assert domain.distance(0, mean_of(encoder, samples)) > domain.limit(0), name


def mean_of(encoder: LogMelEncoder, samples: np.ndarray) -> np.ndarray:
    (features,) = encoder.encode([encoder.prepare(Waveform(samples.astype(np.float32), RATE_HZ))])
    return features.mean(0)  # (T, L, D) -> (L, D)
