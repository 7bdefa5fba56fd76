from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.report.graded import grade
from ravfeat.report.limits import limits
from ravfeat.report.runs import read_runs

Make = Callable[..., Path]


def said(*runs: Path) -> str:
    return "\n".join(limits(grade(read_runs(list(runs)))))


@pytest.fixture
def plain(make_run: Make) -> Path:
    return make_run("plain", heads={"logreg": 1.0}, synthetic=False)


def test_a_plain_run_makes_no_claim_it_need_not_deny(plain: Path) -> None:
    text = said(plain)
    for absent in ("synthetic", "LEAKY", "random", "missing", "nested", ": a single seed", "different sets", "highest"):
        assert absent not in text
    assert "one corpus of 8 speakers" in text
    assert "With 8 test actors the 95 % interval of pooled UAR is about ±0." in text
    assert "no temperature was fitted" in text
    assert "lean to the optimistic side; here single seeds average 0." in text


CASES: list[tuple[dict[str, Any], str]] = [
    ({"synthetic": True}, "they say nothing about people"),
    ({"leaky": True, "protocol": "clip6"}, r"Rows marked LEAKY (clip6 LEAKY)"),
    ({"select": "nested"}, "With select nested the final heads are trained on all actors"),
    ({"seeds": 1}, "a single seed"),
    ({"heads": {"a": 1.0, "b": 1.0}}, "2 systems stand beside each other"),
    ({"recipe": {"corpus": "ravdess"}}, "RAVDESS is acted speech: 8 professional actors"),
    ({"recipe": {"caches": [{"random_weights": True}]}}, "its weights are random"),
    ({"recipe": {"missing_clips": ["c1"]}}, "1 clip is missing from run run (c1)"),
    ({"recipe": {"missing_clips": ["c1", "c2", "c3", "c4"]}}, "4 clips are missing from run run (c1, c2, c3, …)"),
    ({"recipe": {"caches": [{"missing": []}, {"missing": ["c9"]}]}}, "1 clip is missing from run run (c9)"),
]


@pytest.mark.parametrize(("options", "sentence"), CASES)
def test_each_weakness_gets_its_sentence(make_run: Make, options: dict[str, Any], sentence: str) -> None:
    assert sentence in said(make_run(**{"heads": {"logreg": 1.0}, "synthetic": False, **options}))


def test_calibrated_runs_are_not_called_raw(make_run: Make) -> None:
    assert "raw logits" not in said(make_run(heads={"logreg": 1.0}, recipe={"calibrated": True}))


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
