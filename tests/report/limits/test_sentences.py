from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.report.drawings.labels import conditions_of
from ravfeat.report.fused import fused_runs
from ravfeat.report.graded import grade
from ravfeat.report.limits.sentences import limits
from ravfeat.runs.read import read_runs

Make = Callable[..., Path]


def said(*runs: Path) -> str:
    graded = grade(read_runs(list(runs)))
    return "\n".join(limits(graded, fused_runs(graded)))


@pytest.fixture
def plain(make_run: Make) -> Path:
    return make_run("plain", heads={"logreg": 1.0}, synthetic=False)


def test_a_plain_run_makes_no_claim_it_need_not_deny(plain: Path) -> None:
    text = said(plain)
    for absent in (
        "synthetic", "LEAKY", "random", "missing", "nested", ": a single seed", "different sets", "highest", "fused",
        "views", "cross-fitted", "bound", "p-values", "cross-corpus", "TRANSDUCTIVE",
    ):  # fmt: skip
        assert absent not in text
    assert "one corpus of 8 speakers" in text
    assert "With 8 test actors the 95 % interval of pooled UAR is about ±0." in text
    assert "one temperature per system and fold, learned from 32 rows that the fold does not test" in text
    assert "lean to the optimistic side; here single seeds average 0." in text


TAUGHT = {"features": "logmel-0f3c9a", "trained_on": "clean + gain-1:seed0", "views": [{"view": "gain-1:seed0"}]}
ACROSS = {"cross_corpus": {"train": "a", "test": "b"}}

LABELS = {"file": "mine.csv", "sha256": "ab" * 32, "clips": 90, "relabelled": 7, "left_out": 6}

NARROWED = {
    "where": "session != 5", "label_map": "classes.csv", "label_map_sha256": "cd" * 32, "clips": 90,
    "labels": {"low": 40, "high": 50}, "left_out": {"--where": 7},
}  # fmt: skip

SPLIT = {"file": "folds.csv", "sha256": "ef" * 32, "by": "clip", "folds": ["1", "2"], "unused": 3}

CASES: list[tuple[dict[str, Any], str]] = [
    ({"synthetic": True}, "they say nothing about people"),
    ({"leaky": True, "protocol": "clip6"}, r"Rows marked LEAKY (clip6 LEAKY)"),
    ({"select": "nested"}, "With select nested the final heads are trained on all actors"),
    ({"seeds": 1}, "a single seed"),
    ({"heads": {"a": 1.0, "b": 1.0}}, "2 systems stand beside each other"),
    ({"recipe": {"corpus": "ravdess"}}, "RAVDESS is acted speech: 8 professional actors"),
    ({"recipe": {"caches": [{"random_weights": True}]}}, "its weights are random"),
    ({"recipe": {"caches": [TAUGHT]}}, "audio / logmel-0f3c9a / logreg (group4): also trained on augmented views"),
    ({"recipe": {"missing_clips": ["c1"]}}, "1 clip is missing from run run (c1)"),
    ({"recipe": {"missing_clips": ["c1", "c2", "c3", "c4"]}}, "4 clips are missing from run run (c1, c2, c3, …)"),
    (
        {"recipe": {"replaced_labels": LABELS}},
        "Run run: Labels are those of the file mine.csv (SHA-256 abababababab…), not the corpus's: another label than "
        "there for 7 of 90 clips, and 6 more left out. Its numbers do not compare with those",
    ),
    (
        {"recipe": {"narrowed": NARROWED}},
        "Run run: Clips used: 90 where session != 5, classes by classes.csv (SHA-256 cdcdcdcdcdcd…): low 40, high"
        " 50; left out: 7 by --where. Its numbers do not compare with those under the corpus's labels, or on all its",
    ),
    (
        {"recipe": {"split": SPLIT}},
        "Run run: Folds are those of folds.csv (SHA-256 efefefefefef…): 1, 2; 3 of its names are no clip of the run.",
    ),
    (
        {"recipe": {"split": {"column": "session", "folds": ["1", "2"]}}},
        "Folds are those of the column 'session': 1, 2.",
    ),
    ({"recipe": ACROSS}, "test another corpus than the one trained on: trained and chosen on a, tested on b."),
    ({"recipe": {"caches": [{"missing": []}, {"missing": ["c9"]}]}}, "1 clip is missing from run run (c9)"),
]


def test_a_fusion_says_which_folds_its_runs_tested(make_run: Make) -> None:
    tested = {"tested_folds": {"folds": [0, 1], "of": 6}}
    runs = [{"path": name, "recipe": tested} for name in "ab"]
    text = said(make_run("both", heads={"logreg": 1.0}, recipe={"runs": runs}))
    assert text.count("Run both trained and tested 2 of 6 folds (0, 1)") == 1


def test_replaced_labels_stand_among_the_conditions(make_run: Make) -> None:
    graded = grade(read_runs([make_run(heads={"logreg": 1.0}, recipe={"replaced_labels": LABELS})]))
    said = f"labels of mine.csv: {LABELS['relabelled']} relabelled, {LABELS['left_out']} left out"
    assert {entry.facts["task"] for entry in graded} == {said}
    both = [*graded, *grade(read_runs([make_run("own", heads={"kernel": 1.0})]))]
    assert f" · {said} · " in conditions_of(graded)
    assert f" · partly {said} · " in conditions_of(both)


@pytest.mark.parametrize(("options", "sentence"), CASES)
def test_each_weakness_gets_its_sentence(make_run: Make, options: dict[str, Any], sentence: str) -> None:
    assert sentence in said(make_run(**{"heads": {"logreg": 1.0}, "synthetic": False, **options}))


def test_the_floor_of_fusing_is_said_to_hold_where_weights_were_learned_only(fused_runs: list[Path]) -> None:
    text = said(fused_runs[0])
    assert "validation rows is that of the very rows its weights were learned from" in text
    assert "guaranteed there only; on test rows the difference" in text
    assert "of 4 folds" in text
    assert "nor what was tried before this report" in text
    assert "fused /" not in text.split(": a single seed")[0].rsplit("\n", 1)[-1]


def test_a_rule_that_was_given_has_no_floor(make_run: Make) -> None:
    text = said(make_run(heads={"logreg": 1.0}, faces={"kernel": 1.0}, rule="linear", seeds=1))
    assert "The rule was given, so not even there is it guaranteed" in text


def test_fused_systems_are_not_said_to_have_a_single_seed(make_run: Make) -> None:
    sentence = next(
        line for line in said(make_run(heads={"logreg": 1.0}, faces={"kernel": 1.0}, seeds=1)).splitlines()
        if ": a single seed" in line
    )  # fmt: skip
    assert "audio / logmel-0f3c9a / logreg" in sentence
    assert "fused" not in sentence


def test_single_seeds_on_validation_rows_are_those_of_single_systems(make_run: Make) -> None:
    single, both = {"logreg": 1.0}, {"heads": {"logreg": 1.0}, "faces": {"kernel": 1.0}}
    graded = [entry for entry in grade(read_runs([make_run("both", **both)])) if entry.role == "single"]
    mean = sum(sum(entry.seed_scores("val", "uar")) for entry in graded) / 4
    assert f"single seeds average {mean:.3f} UAR on validation" in said(make_run("again", **both))
    assert "single seeds average" in said(make_run("one", heads=single))


def test_crossfitted_scores_say_what_they_share_with_the_fold(make_run: Make) -> None:
    text = said(make_run(heads={"logreg": 1.0}, faces={"kernel": 1.0}, select="crossfit", seeds=1))
    assert "learned from other folds' test rows" in text
    assert "had this fold's actors in training" in text
    assert "the fused system's score on cross-fitted rows" in text.lower()
    assert "With select val" not in text


def test_temperatures_at_a_bound_are_named(make_run: Make) -> None:
    text = said(make_run(heads={"logreg": 1.0}, faces={"kernel": 60.0}, seeds=1))
    assert "Temperatures at a bound: " in text
    assert "face / landmarks-77ab01 / kernel (group4), lower bound in fold 0" in text


def test_only_the_encoder_that_was_never_trained_is_named(make_run: Make) -> None:
    caches = [{"features": "logmel-0f3c9a", "random_weights": True}, {"features": "landmarks-77ab01"}]
    text = said(make_run(heads={"logreg": 1.0}, faces={"kernel": 1.0}, recipe={"caches": caches}, seeds=1))
    sentence = next(line for line in text.splitlines() if "its weights are random" in line)
    assert "logmel" in sentence
    assert "landmarks" not in sentence


def test_a_synthetic_corpus_is_not_called_acted_speech(make_run: Make) -> None:
    assert "RAVDESS is acted" not in said(make_run(heads={"logreg": 1.0}, recipe={"corpus": "ravdess-like"}))


def test_the_leak_gap_is_not_all_recognition(plain: Path, make_run: Make) -> None:
    leaky = make_run("leaky", heads={"logreg": 1.0}, synthetic=False, leaky=True, protocol="clip6")
    assert "not all of the gap is recognising who speaks" in said(plain, leaky)
    assert "not all of the gap" not in said(plain)


def test_rows_on_different_clips_are_not_compared_in_silence(plain: Path, make_run: Make) -> None:
    assert "2 different sets of clips" in said(
        plain, make_run("longer", heads={"kernel": 1.0}, takes=24, synthetic=False)
    )
