"""EmoBox's folds, from its lists to a report: leaky ones are refused, those that nobody can check say so everywhere."""

import json
from pathlib import Path

import pytest

from tests.distributed import emobox


@pytest.fixture
def lists(tmp_path: Path) -> tuple[object, ...]:
    root = emobox(tmp_path)
    return ("--corpus", "emobox", "--data", root / "data/emodb", "--audio", root / "audio", "--encoder", "logmel")


def test_a_fold_with_an_actor_on_two_sides_is_refused_by_name(here, lists, tmp_path: Path) -> None:
    assert here("extract", *lists, "--out", tmp_path / "c").returncode == 0
    train = ("fit-heads", "--cache", tmp_path / "c", "--head", "logreg")
    refused = here(*train, "--protocol", "column:fold_*", "--out", tmp_path / "all")
    assert refused.returncode == 1
    assert (
        "fold 1 (fold_2) of 'column:fold_*' leaks: 4 of 4 actors are on two sides (emobox-emodb:03 in" in refused.stderr
    )
    control = here(*train, "--protocol", "column:fold_2", "--allow-leak", "--out", tmp_path / "leaky")
    assert "column:fold_2 LEAKY (tested on actors it was trained on)" in control.stdout
    honest = here(*train, "--protocol", "column:fold_1", "--out", tmp_path / "fold1")
    assert "column:fold_1, select val, n=8" in honest.stdout
    assert "UNCHECKED" not in honest.stdout


@pytest.mark.usefixtures("blank_figures")
def test_where_speakers_are_unknown_every_output_says_unchecked(here, lists, tmp_path: Path) -> None:
    here("extract", *lists, "--speaker-pattern", "emodb-(03|08)", "--out", tmp_path / "c")
    run = tmp_path / "run"
    done = here("fit-heads", "--cache", tmp_path / "c", "--head", "logreg", "--protocol", "group3", "--out", run)
    assert "group3 UNCHECKED (of some clips nobody says who speaks" in done.stdout
    recipe, metrics = (json.loads((run / name).read_text()) for name in ("recipe.json", "metrics.json"))
    assert recipe["protocol"] == "group3 UNCHECKED"
    assert {record["protocol"] for record in metrics} == {"group3 UNCHECKED"}
    here("audit", run, "--quick")
    audit = {line["check"]: line for line in json.loads((run / "audit.json").read_text())["lines"]}
    assert audit["protocol keeps actors apart"]["verdict"] == "warn"
    assert "of 8 clips nobody says who speaks" in audit["folds from the shards"]["finding"]
    assert audit["plan as recorded"]["verdict"] == "pass"
    here("report", run, "--out", tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text()
    assert '<b class="leaky">UNCHECKED</b>' in page
    assert "Whether people were both trained and tested on could not be checked" in page
    assert here("export-heads", run, "--to", tmp_path / "head").returncode == 0
    card = (tmp_path / "head/card.md").read_text()
    assert "**UNCHECKED: of some clips nobody says who speaks; it may have been tested on people it knew.**" in card
    assert "no head was trained on an actor whose clips it tests" not in card
