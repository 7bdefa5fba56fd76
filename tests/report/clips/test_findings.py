"""Which clips of a run are shown one by one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ravfeat import metrics
from ravfeat.report.clips.findings import SHOWN, Recorded, divergence, recorded_of
from ravfeat.report.graded import Graded
from tests.report.simulated import graded_of

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def recorded(fused: list[Graded]) -> Recorded:
    return recorded_of(fused)


def test_the_best_of_each_stream_and_what_was_fused_are_shown_the_voice_first(recorded: Recorded) -> None:
    assert [entry.system.stream for entry in recorded.entries] == ["audio", "face", "fused"]
    assert recorded.main == 2
    assert not any(entry.leaky for entry in recorded.entries)


def test_no_other_clip_is_more_surely_right_or_wrong(recorded: Recorded) -> None:
    probs = recorded.entries[2].probs
    hit = metrics.decide(probs.log_probs) == probs.y
    for clips, among in ((recorded.right, hit), (recorded.wrong, ~hit)):
        surest = sorted(probs.probs.max(-1)[among])[::-1][:SHOWN]
        assert [clip.probs[2].max() for clip in clips] == pytest.approx(surest)
        assert {clip.probs[2].argmax() == clip.truth for clip in clips} == {among is hit}


def test_what_is_said_of_a_clip_is_what_the_run_says_of_it(recorded: Recorded) -> None:
    for clip in recorded.clips:
        for entry, said in zip(recorded.entries, clip.probs, strict=True):
            (row,) = np.flatnonzero(entry.probs.performance_ids == clip.clip_id[3:])
            np.testing.assert_allclose(said, entry.probs.probs[row])
            assert (entry.probs.actors[row], entry.probs.y[row]) == (clip.actor, clip.truth)
            assert entry.probs.folds[row] == clip.fold


def test_the_most_disputed_clips_are_those_with_the_largest_divergence(recorded: Recorded) -> None:
    voice, face = (entry.probs for entry in recorded.entries[:2])
    assert [clip[3:] for clip in voice.clip_ids] == [clip[3:] for clip in face.clip_ids]
    largest = np.sort(divergence(voice.probs, face.probs))[::-1][:SHOWN]
    assert [clip.divergence for clip in recorded.disputed] == pytest.approx(largest)


def test_a_voice_alone_disputes_with_nobody(make_run: Make) -> None:
    recorded = recorded_of(graded_of([make_run(heads={"logreg": 1.0})]))
    assert recorded.disputed == ()
    assert len(recorded.right) == len(recorded.wrong) == SHOWN
    assert all(np.isnan(clip.divergence) for clip in recorded.clips)


def test_a_leaky_run_is_shown_only_where_there_is_no_other(fused_runs: list[Path], fused: list[Graded]) -> None:
    assert recorded_of(fused[::-1]).entries[0].run.name == "both"
    assert recorded_of([entry for entry in fused if entry.leaky]).entries[0].leaky


def test_divergence_is_that_of_its_definition() -> None:
    first, second = np.random.default_rng(0).dirichlet(np.ones(8), (2, 50))
    middle = (first + second) / 2

    def relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p * (np.log2(p) - np.log2(q))).sum(-1)

    expected = (relative_entropy(first, middle) + relative_entropy(second, middle)) / 2
    np.testing.assert_allclose(divergence(first, second), expected)
    np.testing.assert_allclose(divergence(first, second), divergence(second, first))
    assert (divergence(first, second) < 1).all()
