"""Honest runs hold, cheats do not."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.audit import Audit, Line, audit_run, write_audit
from ravfeat.audit.context import open_run
from ravfeat.audit.files import check_files
from ravfeat.audit.folds import check_folds
from ravfeat.audit.per_actor import check_transductive
from ravfeat.audit.refit_calibration import check_temperatures, check_weights
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.rows import check_against_folds
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.cache import open_cache
from ravfeat.errors import CacheError, PredictionsError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.experiment.load import FeatureLoader
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads.checkpoint import save_model
from ravfeat.predictions import Predictions
from ravfeat.runs.write import write_run
from tests.audit.runs import chosen_on_test, make_run, rewrite, takes, weights_on_test
from tests.report.simulated import write_made
from tests.toyscores import two_streams
from tests.writtencaches import write_cache

Copy = Callable[[Path], Path]
SLOW = "speed-1:0.9"


@pytest.fixture(scope="module")
def audited(honest: Path) -> Audit:
    return audit_run(honest)


def found(audit: Audit, check: str) -> list[Line]:
    return [line for line in audit.lines if line.check == check]


def only(audit: Audit, check: str) -> Line:
    (line,) = found(audit, check)
    return line


def broken(audit: Audit) -> set[str]:
    return {line.check for line in audit.broken}


def test_an_honest_run_holds_against_every_attempt(audited: Audit) -> None:
    assert audited.outcome == "held"
    assert re.fullmatch(r"held: \d+ checks found no leak and no edit", audited.summary)
    assert audited.trust.encoded_here
    verdicts = {line.check: line.verdict for line in audited.lines}
    assert verdicts == {
        "caches unchanged": "pass",
        "who made the features": "info",
        "plan as recorded": "pass",
        "protocol keeps actors apart": "pass",
        "folds from the shards": "pass",
        "folds as recorded": "pass",
        "predictions keep sides apart": "pass",
        "predictions follow the folds": "pass",
        "labels are those of the corpus": "pass",
        "no clip left out": "pass",
        "recordings are those of their names": "not possible",  # a toy's clips are shorter
        "files belong together": "pass",
        "temperatures from val rows": "pass",
        "fusion weights from val rows": "pass",
        "encoder has met the actors": "info",
        "nothing transductive": "pass",
        "folds share an effect": "info",
        "near copies by sound": "not possible",  # there are no recordings
        "saved heads give the test rows": "pass",
        "trained again": "pass",
        "labels permuted": "pass",
        "features prepared per actor": "pass",
        "near copies by features": "not possible",  # of eight directions
        "one person under two ids": "not possible",  # whom such features do not know
        "identity probe": "info",
        "gain of a clip split": "info",
        "per-actor normalisation": "info",
        "held-out sentence": "info",
        "by group": "info",
        "tries on these clips": "not possible",  # the run was written without the command
    }
    assert [line.subject for line in found(audited, "trained again")] == [
        "audio / voice / logreg",
        "face / face / logreg",
    ]


def test_lines_carry_their_evidence_and_the_file_holds_it(audited: Audit, copy: Copy) -> None:
    permuted = found(audited, "labels permuted")[0].evidence
    assert permuted["mean"] < permuted["bound"] < 0.5
    gap = found(audited, "gain of a clip split")[0]
    assert gap.evidence["value"] == pytest.approx(gap.evidence["value_a"] - gap.evidence["value_b"])
    assert gap.evidence["teaching_clips"] == [160, 160]
    run = copy(audited.path)
    record = json.loads(write_audit(replace(audited, path=run)).read_text())
    assert record["counts"] == audited.counts
    assert len(record["lines"]) == len(audited.lines)
    assert all(set(line) == {"check", "subject", "verdict", "finding", "evidence"} for line in record["lines"])
    assert len(record["files"]["predictions.parquet"]) == 64


def test_nested_selection_is_counted_over_and_trained_again(single: Path) -> None:
    audit = audit_run(single)
    assert not audit.broken
    assert "6 folds and 30 inner ones" in only(audit, "folds from the shards").finding
    assert "6 heads chosen as recorded" in only(audit, "trained again").finding
    assert only(audit, "fusion weights from val rows").verdict == "not possible"


def test_quick_trains_nothing_again_and_says_so(single: Path) -> None:
    audit = audit_run(single, quick=True)
    line = only(audit, "trained again")
    assert line.verdict == "not possible"
    assert line.finding == "left out by --quick: the training of the heads, what it chose and nested val rows"
    assert audit.outcome == "held as far as could be tried"
    assert audit.summary == (
        "held as far as could be tried: not judged (--quick): the training of the heads, what it chose and nested val"
        " rows"
    )


# --- cheats


def test_a_clip_split_is_a_leak(caches, tmp_path) -> None:
    run = make_run(tmp_path / "leaky", caches[1:], protocol="clip6", allow_leak=True)
    audit = audit_run(run, quick=True)
    assert broken(audit) == {
        "protocol keeps actors apart",
        "folds from the shards",
        "predictions keep sides apart",
    }
    assert "'clip6' is LEAKY" in only(audit, "protocol keeps actors apart").finding
    assert "in test (clip" in only(audit, "folds from the shards").finding
    assert "under 'group6'" in only(audit, "gain of a clip split").finding


def test_a_mixing_weight_chosen_on_test_is_a_leak_whatever_the_files_agree_on(caches, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        weights_on_test(patch)
        run = make_run(tmp_path / "weights", caches, rule="loglinear")
        (line,) = check_files(open_run(run))
    assert line.verdict == "pass"  # of themselves, the files of the cheat belong together
    audit = audit_run(run, quick=True)
    assert broken(audit) == {"fusion weights from val rows", "files belong together"}
    line = only(audit, "fusion weights from val rows")
    assert "as if chosen on test" in line.finding
    assert line.evidence["on_test"] == len(line.evidence["differences"])


def test_layers_and_strengths_chosen_on_test_are_a_leak(caches, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        chosen_on_test(patch)
        run = make_run(tmp_path / "chosen", caches[1:])
    audit = audit_run(run)
    assert broken(audit) == {"trained again"}
    line = only(audit, "trained again")
    assert "as if chosen on test" in line.finding
    assert line.evidence["on_test"] == len(line.evidence["differences"])


def doctored(run: Path, change: Callable[[dict[str, list]], None]) -> None:
    """Change rows of the predictions, and make every file that follows from them again."""
    table = Predictions.read(run / "predictions.parquet")
    columns = {name: table.table[name].to_pylist() for name in table.table.column_names}
    change(columns)
    write_made(run, replace(table, table=pa.table(columns)))


def test_a_performance_on_two_sides_of_the_predictions_is_a_leak(single, copy) -> None:
    run = copy(single)

    def change(columns: dict[str, list]) -> None:
        rows = list(zip(columns["fold"], columns["split"], strict=True))
        tested, val = rows.index((0, "test")), rows.index((0, "val"))
        name = columns["clip_id"][val]
        for row, clip_id in enumerate(columns["clip_id"]):
            if clip_id == name:  # the same take under another clip's name, and by another actor
                columns["performance_id"][row] = columns["performance_id"][tested]

    doctored(run, change)
    audit = audit_run(run, quick=True)
    assert {"predictions keep sides apart", "predictions follow the folds"} <= broken(audit)
    line = only(audit, "predictions keep sides apart")
    assert "performance 01-" in line.finding
    assert "in val (clip 03-01-" in line.finding
    assert "in test (clip 03-01-" in line.finding


def test_a_test_clip_that_the_folds_do_not_test_is_a_leak(single, copy) -> None:
    run = copy(single)

    def change(columns: dict[str, list]) -> None:
        for name, values in columns.items():
            kept = [one for one, clip in zip(values, columns["clip_id"], strict=True) if clip != "03-01-02-01-01-01-03"]
            if name != "clip_id":
                columns[name] = kept
        columns["clip_id"] = [clip for clip in columns["clip_id"] if clip != "03-01-02-01-01-01-03"]

    doctored(run, change)
    (line,) = check_against_folds(open_run(run))
    assert line.verdict == "leak"
    assert "belongs there and is missing" in line.finding


def test_a_cache_in_which_a_performance_is_by_two_actors_is_a_leak(tmp_path) -> None:
    cache = write_cache(tmp_path / "a", takes(), name="voice", stream="audio")
    run = make_run(tmp_path / "run", [cache])
    torn = takes()
    torn[-1] = replace(torn[-1], performance_id=torn[0].performance_id)
    shutil.rmtree(cache)
    moved = write_cache(tmp_path / "b", torn, name="voice", stream="audio")
    digest = open_cache(moved).content_sha256()
    rewrite(run / "recipe.json", lambda recipe: recipe["caches"][0].update(content_sha256=digest))
    audit = audit_run(run, caches=[tmp_path / "b"], quick=True)
    assert "folds from the shards" in broken(audit)
    assert "performance '01-02-01-01-01-01' is in" in only(audit, "folds from the shards").finding
    assert {line.verdict for line in audit.lines if line.check == "trained again"} == {"not possible"}


def test_scores_by_other_heads_than_the_saved_ones_are_a_leak(single, caches, copy) -> None:
    run = copy(single)
    for one in fit_heads(FitPlan(caches[:1], heads=("logreg",), layers="0")).models:
        save_model(run / "heads" / "audio-voice-logreg" / f"fold-{one.fold}-seed-{one.seed}", one.model)
    context = open_run(run)
    assert context.prepared is not None
    (line,) = check_saved_heads(context, context.prepared, FeatureLoader())
    assert line.verdict == "leak"
    assert "do not come from these heads and these features" in line.finding


# --- edited by hand


CHECKS = {
    "files belong together": check_files,
    "temperatures from val rows": check_temperatures,
    "fusion weights from val rows": check_weights,
    "folds as recorded": check_folds,
    "predictions follow the folds": check_against_folds,
}


@pytest.mark.parametrize(
    ("file", "change", "check", "message"),
    [
        ("metrics.json", lambda value: value[0].update(value=0.99), "files belong together", "says 0.990000 for"),
        (
            "calibration.json",
            lambda value: value[0].update(temperature=3.5),
            "temperatures from val rows",
            "temperature of audio / voice / logreg in fold 0 is 3.500, val rows give",
        ),
        (
            "fusion.json",
            lambda value: value["folds"][1].update(linear=[0.15, 0.85]),
            "fusion weights from val rows",
            r"the linear weights of fold 1 is \[0.150, 0.850\], val rows give",
        ),
        (
            "fusion.json",
            lambda value: value["folds"][0].update(chosen="single"),
            "fusion weights from val rows",
            "'chosen' of fold 0 is single, val rows give",
        ),
        ("differences.json", lambda value: value[0].update(ci_low=0.2), "files belong together", "says 0.2 for"),
        ("differences.json", lambda value: value.pop(), "files belong together", "does not belong to predictions"),
        (
            "recipe.json",
            lambda value: value["caches"][0]["folds"][0]["actors"].pop(),
            "folds as recorded",
            "counts other clips or actors than the shards give, first in fold 0, train",
        ),
        (
            "recipe.json",
            lambda value: value["plan"].update(select="nested"),
            "predictions follow the folds",
            "is of 'ravdess6', select val; the recipe's plan is 'ravdess6', select nested",
        ),
    ],
    ids=["metrics", "temperature", "weights", "choice", "interval", "differences", "counts", "plan"],
)
def test_a_file_edited_by_hand_is_found(file, change, check, message, honest, copy) -> None:
    run = copy(honest)
    rewrite(run / file, change)
    audit = Audit(run, tuple(CHECKS[check](open_run(run))), quick=True, files={})
    assert check in broken(audit)
    said = " ".join(line.finding for line in found(audit, check) if line in audit.broken)
    assert re.search(message, said), said


def test_predictions_that_are_refused_are_a_line_and_not_a_crash(single, copy) -> None:
    run = copy(single)
    (run / "predictions.parquet").write_bytes(b"PAR1")
    audit = audit_run(run, quick=True)
    assert broken(audit) == {"predictions keep sides apart"}
    assert "cannot be read as Parquet" in only(audit, "predictions keep sides apart").finding


# --- caches that moved or changed


def test_a_cache_that_moved_is_refused_until_its_new_place_is_named(tmp_path) -> None:
    cache = write_cache(tmp_path / "then", takes(), name="voice", stream="audio")
    run = make_run(tmp_path / "run", [cache])
    shutil.move(tmp_path / "then", tmp_path / "now")
    with pytest.raises(CacheError, match=r"is not there any more; say where it lies now with --cache DIR"):
        audit_run(run)
    (location,) = open_run(run, [tmp_path / "now"]).locations
    assert (location.unchanged, location.path.parent.parent) == (True, tmp_path / "now")
    audit = audit_run(run, without_caches=True)
    assert not audit.broken
    assert only(audit, "caches unchanged").verdict == "not possible"
    assert "is not there any more" in only(audit, "folds from the shards").finding


def test_a_cache_that_changed_is_an_edited_run_and_nothing_is_read_from_it(tmp_path) -> None:
    cache = write_cache(tmp_path / "a", takes(), name="voice", stream="audio")
    run = make_run(tmp_path / "run", [cache])
    shutil.rmtree(tmp_path / "a")
    write_cache(tmp_path / "a", takes(seed=5), name="voice", stream="audio")
    audit = audit_run(run)
    assert broken(audit) == {"caches unchanged"}
    assert "is not what the run was made from: digest" in only(audit, "caches unchanged").finding
    assert "is not what the recipe says of it" in only(audit, "folds from the shards").finding


def test_another_cache_at_the_place_of_the_runs_is_named(caches, single, copy) -> None:
    run = copy(single)
    rewrite(run / "recipe.json", lambda recipe: recipe["caches"][0].update(path=str(caches[1])))
    assert "another cache lies at" in open_run(run).locations[0].line.finding
    with pytest.raises(CacheError, match="the run was not made from"):
        audit_run(run, caches=[caches[1]])
    with pytest.raises(CacheError, match=r"no cache at or below .*: it is the folder of a run"):
        audit_run(run, caches=[run])


def test_a_folder_that_is_no_run_is_refused(tmp_path) -> None:
    with pytest.raises(PredictionsError, match=r"is not a run: it has no recipe.json"):
        audit_run(tmp_path)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(PredictionsError, match="is not valid JSON"):
        audit_run(tmp_path)
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(PredictionsError, match=r"it is \[\], expected an object"):
        audit_run(tmp_path)


# --- runs without caches or plans


def test_scores_made_elsewhere_are_audited_as_far_as_they_go(tmp_path) -> None:
    from ravfeat.fusion import fuse
    from ravfeat.runs.result import Fitted

    predictions, fusion = fuse(two_streams(), "auto")
    write_run(tmp_path / "run", Fitted(predictions, (), {"protocol": "group4", "leaky": False}, fusion), {})
    audit = audit_run(tmp_path / "run")
    assert not audit.broken
    assert only(audit, "fusion weights from val rows").verdict == "pass"
    assert only(audit, "predictions keep sides apart").verdict == "pass"
    assert only(audit, "folds from the shards").finding.endswith("folds cannot be checked from scores")
    assert audit.trust.grade == "scores only"
    assert audit.summary.startswith("held as far as could be tried: scores only; not possible: plan as recorded, folds")
    assert only(audit, "labels permuted").verdict == "not possible"
    assert only(audit, "encoder has met the actors").verdict == "not possible"


def test_what_a_recipe_calls_transductive_is_a_warning(single, copy) -> None:
    run = copy(single)
    rewrite(run / "recipe.json", lambda recipe: recipe.update(normalisation="corpus z-score (transductive)"))
    (line,) = check_transductive(open_run(run))
    assert line.verdict == "warn"
    assert "normalisation: corpus z-score (transductive)" in line.finding


def test_trained_networks_are_trained_again_and_read_from_disk(caches, tmp_path) -> None:
    run = make_run(tmp_path / "run", caches[:1], heads=("attentive",), settings={"epochs": 2}, layers="1")

    def again() -> Line:
        context = open_run(run)
        assert context.prepared is not None
        return check_retrained(context, context.prepared, FeatureLoader())[0]

    assert "6 heads chosen as recorded" in again().finding
    rewrite(run / "recipe.json", lambda recipe: recipe["chosen"][0].update(chosen={"epochs": 99}))
    assert again().verdict == "leak"
    rewrite(run / "recipe.json", lambda recipe: recipe["versions"].update(torch="1.0"))
    elsewhere = again()
    assert elsewhere.verdict == "leak"
    assert "can choose among 2 candidates, and {'epochs': 99} is none" in elsewhere.finding
    rewrite(run / "recipe.json", lambda recipe: recipe["chosen"][0].update(chosen={"epochs": 1}))
    assert "what is recorded does not give the rows: all is chosen as recorded, but val rows" in again().finding


def test_a_joint_head_is_audited_like_any_other(tmp_path) -> None:
    clips = takes()
    voice = write_cache(tmp_path, clips, name="voice", stream="audio")
    face = write_cache(tmp_path, [replace(one, clip_id=f"02{one.clip_id[2:]}") for one in clips], name="face")
    run = make_run(tmp_path / "joint", [voice, face], heads=("joint",), settings={"epochs": 1})
    audit = audit_run(run, quick=True)
    assert not audit.broken
    assert only(audit, "saved heads give the test rows").verdict == "pass"
    assert only(audit, "labels permuted").verdict == "pass"


def test_views_are_counted_on_the_training_side_and_their_caches_held_against_their_digests(tmp_path) -> None:
    clips = takes()
    heard = [replace(one, features=one.features + np.float32(0.1)) for one in clips]
    voice = write_cache(tmp_path, clips, name="voice", stream="audio")
    view = write_cache(tmp_path, clips, name="voice", stream="audio", view="gain-1:seed0", heard=heard)
    run = make_run(tmp_path / "run", [voice], train_views=(view,))
    context = open_run(run)
    assert context.prepared is not None
    assert [location.line.verdict for location in context.locations] == ["pass", "pass"]
    assert check_folds(context)[0].verdict == "pass"
    assert check_retrained(context, context.prepared, FeatureLoader())[0].verdict == "pass"
    rewrite(run / "recipe.json", lambda recipe: recipe["caches"][0]["views"][0].update(content_sha256="0" * 64))
    assert [location.line.verdict for location in open_run(run).locations] == ["pass", "edited"]


@pytest.fixture(scope="module")
def voice_and_view(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, clips, rng = tmp_path_factory.mktemp("averaged"), takes(), np.random.default_rng(5)
    heard = [
        replace(one, features=one.features + 0.5 * rng.normal(size=one.features.shape).astype(np.float32))
        for one in clips
    ]
    options = {"name": "voice", "stream": "audio"}
    return write_cache(folder, clips, **options), write_cache(folder, clips, view=SLOW, heard=heard, **options)


FAST = {"grid": (3.0, 30.0)}


@pytest.mark.parametrize("average", ["scores", "statistics"])
def test_a_run_that_averages_over_views_holds(average, voice_and_view, tmp_path) -> None:
    voice, view = voice_and_view
    run = make_run(tmp_path / "run", [voice], train_views=(view,), average_views=average, settings=FAST, layers="1")
    context = open_run(run)
    prepared, load = context.prepared, FeatureLoader()
    assert prepared is not None
    lines = [*check_folds(context), *check_saved_heads(context, prepared, load), *check_against_folds(context)]
    lines += check_retrained(context, prepared, load)
    assert {line.verdict for line in lines} == {"pass"}
    rewrite(run / "recipe.json", lambda recipe: recipe["plan"].update(average_views="none"))
    edited = open_run(run)
    assert edited.prepared is not None
    assert {line.verdict for line in check_against_folds(edited)} != {"pass"}  # no plan of that name makes these rows


def test_a_view_of_a_test_clip_that_trained_is_found(voice_and_view, tmp_path, monkeypatch) -> None:
    def all_views_train(rows: TrainingRows, train: np.ndarray, _: object) -> np.ndarray:
        return np.concatenate([train, np.arange(rows.n_clips, len(rows.origin))])

    voice, view = voice_and_view
    with monkeypatch.context() as cheat:
        cheat.setattr(TrainingRows, "extend", all_views_train)
        options = {"train_views": (view,), "average_views": "scores", "settings": {"grid": (3.0,)}, "layers": "1"}
        run = make_run(tmp_path / "run", [voice], **options)
    context = open_run(run)
    assert context.prepared is not None
    (line,) = check_retrained(context, context.prepared, FeatureLoader())
    assert line.verdict == "leak"
    assert "all is chosen as recorded, but val rows differ by" in line.finding


def test_a_choice_that_no_row_would_make_is_found_beside_views(voice_and_view, tmp_path) -> None:
    voice, view = voice_and_view
    run = make_run(tmp_path / "run", [voice], train_views=(view,), average_views="scores", settings=FAST)
    chosen = {"layers": [0], "C": 30.0}  # a layer of noise
    rewrite(run / "recipe.json", lambda recipe: recipe["chosen"][0].update(chosen=chosen))
    context = open_run(run)
    assert context.prepared is not None
    (line,) = check_retrained(context, context.prepared, FeatureLoader())
    assert line.verdict == "leak"
    assert line.evidence["on_test"] == 0
