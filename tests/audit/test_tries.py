"""The audit of the ledger: what is said of tries, and when it is a warning or an edit."""

from dataclasses import replace
from pathlib import Path

import pytest

import ravfeat
from ravfeat.audit.context import open_run
from ravfeat.audit.tries import check_tries
from ravfeat.ledger.file import append, read_ledger
from ravfeat.ledger.line import SystemScores
from tests.runs.test_tries import ledger_of
from tests.toycaches import actors_and_emotions, build_cache

OPTIONS = {"heads": "logreg", "protocol": "group2", "device": "cpu", "layers": 1}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    cache = build_cache(tmp_path / "cache", actors_and_emotions(actors=6, repeats=2), corpus="toy")
    ravfeat.fit_heads(cache, out=tmp_path / "run", **OPTIONS)
    return tmp_path / "run"


def line_of(run: Path):
    (line,) = check_tries(open_run(run))
    return line


def more_tries(run: Path, n: int, val: float, test: float) -> None:
    """Enter further plans on the same clips, each with the same two scores."""
    path = ledger_of(run.parent)
    (own,) = read_ledger(path).lines[:1]
    for number in range(n):
        append(path, replace(own, plan=f"p{number}", systems=(SystemScores("s", val, test),)))


def test_a_run_says_how_many_were_tried(run) -> None:
    more_tries(run, 3, 0.9, 0.1)
    line = line_of(run)
    assert line.verdict == "info"
    assert line.finding.startswith("run 1 of 4 on these ")
    assert "chain whole)" in line.finding


@pytest.mark.parametrize(
    ("n", "val", "test", "verdict"),
    [(9, 1.0, 0.1, "warn"), (8, 1.0, 0.1, "info"), (9, 0.0, 0.1, "info"), (9, 1.0, 0.99, "info")],
)
def test_the_best_test_score_of_many_is_a_warning_where_validation_chose_another(run, n, val, test, verdict) -> None:
    more_tries(run, n, val, test)
    line = line_of(run)
    assert line.verdict == verdict
    assert ("if it was chosen for its test score, that score is too high" in line.finding) == (verdict == "warn")


def test_a_line_of_other_predictions_or_a_lost_line_is_an_edit(run) -> None:
    path = ledger_of(run.parent)
    predictions = (run / "predictions.parquet").read_bytes()
    (run / "predictions.parquet").write_bytes(predictions + b"x")
    assert line_of(run).verdict == "edited"
    assert "the ledger says that the run had other predictions" in line_of(run).finding
    (run / "predictions.parquet").write_bytes(predictions)
    path.write_bytes(path.read_bytes().replace(b"group2", b"group3"))
    assert (line_of(run).verdict, "is gone or changed" in line_of(run).finding) == ("edited", True)


def test_a_broken_chain_is_a_warning_and_a_ledger_that_is_gone_none(run) -> None:
    path = ledger_of(run.parent)
    more_tries(run, 2, 0.5, 0.5)
    path.write_bytes(path.read_bytes().replace(b"p1", b"p2"))
    assert line_of(run).verdict == "warn"
    assert "what was tried cannot be counted" in line_of(run).finding
    path.unlink()
    assert line_of(run).verdict == "not possible"


def test_no_ledger_is_a_warning(run) -> None:
    (cache,) = open_run(run).recipe.origins()
    ravfeat.fit_heads(cache.path, out=run.parent / "silent", no_ledger=True, **OPTIONS)
    line = line_of(run.parent / "silent")
    assert (line.verdict, line.finding) == (
        "warn",
        "the run was made with --no-ledger: how many plans were tried before this one is not known",
    )
