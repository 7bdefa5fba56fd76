"""Systems joined by performance, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.fusion import align_rows
from ravfeat.predictions import System, SystemProbs
from tests.toyscores import scores

SYSTEMS = [System("audio", "voice", "logreg"), System("face", "face", "logreg")]


def parts() -> list[SystemProbs]:
    found = [scores(stream=s.stream, features=s.features).seed_averaged(s) for s in SYSTEMS]
    return [one.rows(one.folds == 1) for one in found]


def test_rows_in_another_order_find_each_other_by_performance() -> None:
    voice, face = parts()
    order = np.random.default_rng(0).permutation(len(face))
    found = align_rows(SYSTEMS, [voice, face.rows(order)], "fold 1, test")
    same = align_rows(SYSTEMS, [voice, face], "fold 1, test")
    np.testing.assert_array_equal(found.log_probs, same.log_probs)
    assert found.log_probs.shape == (2, 24, 4)
    assert found.performance_ids.tolist() == sorted(found.performance_ids)
    assert found.clip_ids[0] == f"audio-{found.performance_ids[0]}"
    np.testing.assert_array_equal(found.log_probs[1], face.log_probs[np.argsort(face.performance_ids.astype(str))])


def test_systems_on_the_same_clips_are_joined_by_clip_though_a_performance_is_several() -> None:
    voice, _ = parts()
    twins = replace(voice, performance_ids=np.repeat(voice.performance_ids[::2], 2))
    assert len(align_rows(SYSTEMS, [twins, twins], "fold 1, test").y) == 24


def test_different_performances_are_refused_with_counts_and_first_names() -> None:
    voice, face = parts()
    message = (
        r"fold 1, val: systems that are fused must score the same performances:\n  audio / voice / logreg lacks 1 of"
        r" 24: 01-012\n  face / face / logreg lacks 5 of 24: 01-013, 01-014, 01-015 and 2 more\n"
    )
    with pytest.raises(PredictionsError, match=message):
        align_rows(SYSTEMS, [voice.rows(np.arange(1, 24)), face.rows(np.r_[0, 6:24])], "fold 1, val")


def test_a_performance_as_two_clips_is_refused_between_streams() -> None:
    voice, face = parts()
    names = face.performance_ids.copy()
    names[3] = names[2]
    with pytest.raises(PredictionsError, match=r"face .* holds performance '01-014' as the clips 'face-01-014' and"):
        align_rows(SYSTEMS, [voice, replace(face, performance_ids=names)], "fold 1, test")


@pytest.mark.parametrize("what", ["actor", "label"])
def test_a_performance_in_two_minds_is_refused(what) -> None:
    voice, face = parts()
    other = replace(face, actors=np.roll(face.actors, 12)) if what == "actor" else replace(face, y=np.roll(face.y, 1))
    with pytest.raises(PredictionsError, match=rf"performance '01-012' has {what} '.*' in audio .* and '.*' in face"):
        align_rows(SYSTEMS, [voice, other], "fold 1, test")
