"""From systems to their fusion, fold by fold."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from ravfeat import metrics
from ravfeat.calibrate import calibrate
from ravfeat.errors import PredictionsError
from ravfeat.fusion import fit_fold, fuse, fusion_record, members_of, name_of
from ravfeat.predictions import System, concatenate, evidence_of
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats import metric_records
from tests.toyscores import CLASSES, changed, scores, two_streams

VOICE, FACE = System("audio", "voice", "logreg"), System("face", "face", "logreg")
FUSED = System("fused", "voice+face", "logreg")


def test_what_comes_out_is_what_went_in_and_three_more_systems() -> None:
    table = two_streams()
    fused, fusion = fuse(table)
    assert set(fused.systems()) == {VOICE, FACE, *(FUSED._replace(stream=stream) for stream in FUSED_STREAMS)}
    assert (
        concatenate([fused.select_system(VOICE), fused.select_system(FACE)])
        .table.sort_by("clip_id")
        .equals(table.table.sort_by("clip_id"))
    )
    assert fusion.systems == (VOICE, FACE)
    assert fusion.seeds == (2, 1)
    rows = fused.select_system(FUSED).table
    assert sorted(set(rows["split"].to_pylist())) == ["test", "val"]
    assert rows.filter(pc.field("split") == "test").num_rows == 96


@pytest.mark.parametrize("val", ["actors", "nested", "none"])
@pytest.mark.parametrize("rule", ["auto", "linear", "loglinear"])
def test_fused_rows_are_the_calibrated_systems_mixed_with_the_weights_of_their_fold(rule, val) -> None:
    table = two_streams(val=val)
    fused, fusion = fuse(table, rule)
    probs = fused.seed_averaged(FUSED)
    sides = [calibrate(table, system).test for system in (VOICE, FACE)]
    for one in fusion.folds:
        rows = probs.folds == one.fold
        assert one.chosen == rule or rule == "auto"
        voice, face = (side.probs[side.folds == one.fold] for side in sides)
        np.testing.assert_array_equal(probs.performance_ids[rows], sides[1].performance_ids[sides[1].folds == one.fold])
        if one.chosen == "loglinear":
            product = voice ** one.loglinear[0] * face ** one.loglinear[1]
            expected = product / product.sum(1, keepdims=True)
        else:
            weights = one.linear if one.chosen == "linear" else np.eye(2)[one.single]
            expected = weights[0] * voice + weights[1] * face
        np.testing.assert_allclose(probs.probs[rows], expected, atol=1e-6)


@pytest.mark.parametrize("labels", [None, 1, 2, 3])
def test_on_validation_rows_auto_is_never_below_the_best_single_system(labels) -> None:
    """Whatever the systems know: with shuffled labels they know nothing."""
    for seed in range(4):
        table = two_streams(labels=labels, seed=seed)
        fused, _ = fuse(table)
        for fold in range(4):
            values = []
            for system in (FUSED, VOICE, FACE):
                rows = fused.seed_averaged(system, "val")
                own = rows.rows(rows.folds == fold)
                values.append(metrics.uar(own.y, metrics.decide(own.log_probs)))
            assert values[0] >= max(values[1:]) - 1e-9


def test_two_streams_that_err_independently_are_better_together() -> None:
    fused, _ = fuse(two_streams(takes=48, val="nested"))
    found = {
        record["stream"]: record["value"]
        for record in metric_records(fused)
        if (record["metric"], record["averaging"]) == ("uar", "pooled")
    }
    assert found["fused"] > max(found["audio"], found["face"]) + 0.05


def test_shuffled_labels_leave_the_fusion_at_chance() -> None:
    values = []
    for labels in range(6):
        fused, _ = fuse(two_streams(labels=labels, takes=48, val="nested"))
        probs = fused.seed_averaged(FUSED)
        values.append(metrics.uar(probs.y, metrics.decide(probs.log_probs)))
    assert np.mean(values) == pytest.approx(1 / len(CLASSES), abs=0.03)


@pytest.mark.parametrize("val", ["actors", "none"])
def test_what_test_rows_say_and_are_called_changes_nothing_that_their_fold_learned(val) -> None:
    table = two_streams(val=val)
    rows = table.table
    tested = np.array(rows["fold"]) == 1
    if val != "none":
        tested &= np.array(rows["split"].to_pylist()) == "test"
    labels = np.array(rows["label"].to_pylist())
    said = np.where(tested[:, None], -9 * table.logits(), table.logits())
    called = np.where(tested, np.roll(CLASSES, 1)[[CLASSES.index(one) for one in labels]], labels)
    if val != "none":
        called = labels  # a clip has one label, and other folds learn from this one
    other = changed(table, logits=said, label=called)
    before, after = (fuse(one)[1].folds[1] for one in (table, other))
    np.testing.assert_array_equal(before.loglinear, after.loglinear)
    np.testing.assert_array_equal(before.linear, after.linear)
    assert [t.temperature_ for t in before.temperatures] == [t.temperature_ for t in after.temperatures]
    assert (before.chosen, before.scores) == (after.chosen, after.scores)
    fused = [fuse(one)[0] for one in (table, other)]
    for stream in FUSED_STREAMS:
        last = [calibrate(one, FUSED._replace(stream=stream)).folds[1].temperature.temperature_ for one in fused]
        assert last[0] == last[1]


def test_test_rows_offered_to_a_fit_are_refused() -> None:
    table = two_streams()
    cheat = [replace(one, learn=one.read) for one in (evidence_of(table, system)[0] for system in (VOICE, FACE))]
    with pytest.raises(PredictionsError, match="are learned from val rows, got 24 test rows"):
        fit_fold([VOICE, FACE], cheat, "auto")


def test_fusing_again_replaces_what_was_fused_and_gives_the_same() -> None:
    once, one = fuse(two_streams())
    twice, two = fuse(once)
    assert twice.table.equals(once.table)
    assert members_of(once) == [VOICE, FACE]
    assert all(np.array_equal(a.loglinear, b.loglinear) for a, b in zip(one.folds, two.folds, strict=True))


def test_any_number_of_systems_is_fused() -> None:
    more = [scores(head=head, skill=1.0) for head in ("kernel", "attentive", "other")]
    fused, fusion = fuse(concatenate([two_streams(), *more]))
    assert len(fusion.systems) == 5
    assert name_of(fusion.systems, "fused") in fused.systems()
    assert name_of(fusion.systems, "fused").head == "attentive+kernel+logreg+other"
    assert all(len(one.linear) == len(one.loglinear) == 5 for one in fusion.folds)


def test_a_join_and_its_caches_are_named_once() -> None:
    systems = [System("face", name, "logreg") for name in ("one", "one+two", "two")]
    assert name_of(systems, "fused") == System("fused", "one+two", "logreg")


def test_one_system_alone_is_refused() -> None:
    with pytest.raises(PredictionsError, match="needs at least two systems, got audio / voice / logreg; add a cache"):
        fuse(scores())


def test_systems_of_other_folds_are_refused() -> None:
    one, two = scores(folds=4), scores(stream="face", features="face", folds=2)
    two = replace(two, protocol="group4")
    with pytest.raises(
        PredictionsError, match=r"tests the folds \[0, 1, 2, 3\], face / face / logreg the folds \[0, 1\]"
    ):
        fuse(concatenate([one, two]))


def test_streams_of_different_clips_are_refused() -> None:
    table = two_streams()
    lacking = replace(table, table=table.table.filter(pc.field("clip_id") != "face-03-040"))
    with pytest.raises(
        PredictionsError, match=r"fold \d, (val|test): .*\n  face / face / logreg lacks 1 of 24: 03-040"
    ):
        fuse(lacking)


def test_a_class_that_a_fold_lacks_is_no_obstacle() -> None:
    table = two_streams()
    lacking = replace(
        table, table=table.table.filter(~((pc.field("label") == "sad") & pc.is_in(pc.field("actor"), _actors(1))))
    )
    fused, fusion = fuse(lacking)
    assert len(fusion.folds) == 4
    assert len(fused.seed_averaged(FUSED)) == 96 - 6


def _actors(fold: int) -> pc.pa.Array:
    return pc.pa.array([f"toy:{actor:02d}" for actor in range(8) if actor % 4 == fold])


def test_constant_logits_get_temperature_one_and_change_no_decision() -> None:
    voice = scores()
    silent = scores(stream="face", features="face", sharp=0.0)
    fused, fusion = fuse(concatenate([voice, silent]))
    assert {one.temperatures[1].temperature_ for one in fusion.folds} == {1.0}
    a, b = fused.seed_averaged(FUSED), voice.seed_averaged(VOICE)
    np.testing.assert_array_equal(metrics.decide(a.log_probs), metrics.decide(b.log_probs))


def test_validation_rows_without_an_error_stay_finite() -> None:
    table = concatenate([scores(skill=60.0), scores(stream="face", features="face", skill=1.0)])
    fused, fusion = fuse(table)
    assert {one.temperatures[0].at_bound_ for one in fusion.folds} == {"lower"}
    assert np.isfinite(fused.logits()).all()
    record = fusion_record(fusion, fused)
    assert record["folds"][0]["temperatures_at_bound"] == ["lower", ""]
    assert all(fold["test"]["fused"] == 1.0 for fold in record["folds"])


def test_the_record_tells_both_sides_and_a_loss_as_well_as_a_gain() -> None:
    fused, fusion = fuse(two_streams(labels=3))
    record = fusion_record(fusion, fused)
    assert record["systems"] == [{**VOICE._asdict(), "seeds": 2}, {**FACE._asdict(), "seeds": 1}]
    gains = []
    for fold, one in zip(record["folds"], fusion.folds, strict=True):
        rows = {system: fused.seed_averaged(system) for system in (FUSED, VOICE, FACE)}
        own = {system: probs.rows(probs.folds == one.fold) for system, probs in rows.items()}
        uar = {system: metrics.uar(probs.y, metrics.decide(probs.log_probs)) for system, probs in own.items()}
        assert fold["test"]["singles"] == [uar[VOICE], uar[FACE]]
        assert fold["test"]["gain"] == uar[FUSED] - [uar[VOICE], uar[FACE]][one.single]
        assert fold["learned"]["singles"][one.single]["uar"] == max(s["uar"] for s in fold["learned"]["singles"])
        gains.append(fold["test"]["gain"])
    assert min(gains) < 0


def test_a_leaky_table_stays_leaky() -> None:
    fused, _ = fuse(two_streams(leaky=True, val="none"))
    assert fused.leaky
    assert all(record["leaky"] for record in metric_records(fused))


def test_the_floor_holds_in_what_is_written_down_too() -> None:
    """Nearly equal probabilities must not be rounded to equal ones."""
    for seed in range(6):
        table = concatenate(
            [scores(skill=-0.02, seed=seed), scores(stream="face", features="face", skill=0.0, seed=seed)]
        )
        fused, fusion = fuse(table)
        record = fusion_record(fusion, fused)
        rows = fused.seed_averaged(FUSED, "val")
        for fold, one in zip(record["folds"], fusion.folds, strict=True):
            own = rows.rows(rows.folds == fold["fold"])
            written = metrics.uar(own.y, metrics.decide(own.log_probs))
            assert written == pytest.approx(one.scores[one.chosen].uar, abs=1e-12)
            assert written >= max(score["uar"] for score in fold["learned"]["singles"]) - 1e-9
