"""Real voices and real faces, fused: what the rules are worth, and that nothing is learned from test actors."""

import numpy as np
import pytest

from ravfeat import metrics
from ravfeat.calibrate import calibrate
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads
from ravfeat.extract import Extraction, run_extraction
from ravfeat.predictions import System
from ravfeat.stats import paired_difference

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def fitted(shared, face_caches, tmp_path_factory) -> Fitted:
    """A plain spectrogram, which needs no weights, beside both face features: three systems."""
    root = shared / "data/ravdess"
    voice = run_extraction(Extraction(scan_ravdess(root), root, LogMelEncoder()), tmp_path_factory.mktemp("voice")).path
    return fit_heads(FitPlan(caches=(voice, *face_caches.values()), heads=("logreg",), select="nested"))


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
