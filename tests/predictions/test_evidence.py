"""What may be learned from."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.predictions import CROSSFIT, Predictions, System, check_learnable, evidence_of
from tests.toyscores import scores

VOICE = System("audio", "voice", "logreg")


def without(predictions: Predictions, drop: pc.Expression) -> Predictions:
    return replace(predictions, table=predictions.table.filter(~drop))


@pytest.mark.parametrize("val", ["actors", "nested"])
def test_a_fold_learns_from_its_val_rows_and_reads_its_test_rows(val) -> None:
    predictions = scores(val=val)
    for one in evidence_of(predictions, VOICE):
        assert (one.learn.split, one.read.split) == ("val", "test")
        assert set(one.learn.folds) == set(one.read.folds) == {one.fold}
        assert not set(one.learn.actors) & set(one.read.actors)
    assert sum(len(one.read) for one in evidence_of(predictions, VOICE)) == 96


def test_without_val_rows_a_fold_learns_from_other_folds_and_never_from_its_own_actors() -> None:
    found = evidence_of(scores(val="none"), VOICE)
    for one in found:
        assert one.learn.split == CROSSFIT
        assert one.fold not in one.learn.folds
        assert not set(one.learn.actors) & set(one.read.actors)
        assert len(one.learn) + len(one.read) == 96


def test_leaky_folds_share_their_actors_and_are_crossfitted_over_clips() -> None:
    for one in evidence_of(scores(val="none", leaky=True), VOICE):
        assert not set(one.learn.clip_ids) & set(one.read.clip_ids)
        assert set(one.learn.actors) & set(one.read.actors)


def test_val_rows_in_some_folds_only_are_refused() -> None:
    torn = without(scores(), (pc.field("split") == "val") & (pc.field("fold") > 1))
    with pytest.raises(PredictionsError, match="val rows in some folds and none in fold 2 and 1 others"):
        evidence_of(torn, VOICE)


def test_one_fold_without_val_rows_has_nothing_to_learn_from() -> None:
    alone = without(scores(val="none"), pc.field("fold") > 0)
    with pytest.raises(PredictionsError, match="no other fold tests other actors than fold 0 does"):
        evidence_of(alone, VOICE)


def test_test_rows_are_refused_by_whoever_learns() -> None:
    one = evidence_of(scores(), VOICE)[0]
    check_learnable(one.learn)
    check_learnable(replace(one.read, split=CROSSFIT))
    with pytest.raises(
        PredictionsError, match=r"learned from val rows, got 24 test rows, the first of clip audio-00-000"
    ):
        check_learnable(one.read)


def test_other_seeds_in_val_than_in_test_are_refused() -> None:
    torn = without(scores(seeds=3), (pc.field("split") == "val") & (pc.field("seed") == 2))
    with pytest.raises(PredictionsError, match=r"val rows of the seeds \[0, 1\] and test rows of \[0, 1, 2\]"):
        evidence_of(torn, VOICE)


def test_seeds_are_averaged_first() -> None:
    predictions = scores(seeds=3)
    one = evidence_of(predictions, VOICE)[1]
    whole = predictions.seed_averaged(VOICE, "val")
    np.testing.assert_array_equal(one.learn.log_probs, whole.log_probs[whole.folds == 1])
    assert one.learn.seeds == (0, 1, 2)
