"""Rows of a fine-tuned run, held against the sides that its recipe counted."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ravfeat.audit import audit_run
from ravfeat.audit.context import open_run
from ravfeat.audit.fine_tuned import check_recorded_folds
from ravfeat.predictions import Predictions
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from tests.audit.runs import rewrite
from tests.toyscores import scores

HEAD = "fine-tuned-top1"


def counted(predictions: Predictions) -> list[dict[str, Any]]:
    rows = predictions.table.select(["fold", "split", "actor", "label"]).to_pylist()
    actors = {row["actor"] for row in rows}
    sides = []
    for fold in range(4):
        own = {
            split: [row for row in rows if (row["fold"], row["split"]) == (fold, split)] for split in ("val", "test")
        }
        seen = {row["actor"] for side in own.values() for row in side}
        sides.append({"fold": fold, "split": "train", "clips": 0, "actors": sorted(actors - seen), "labels": {}})
        for split, side in own.items():
            labels = dict(Counter(row["label"] for row in side))
            own_actors = sorted({row["actor"] for row in side})
            sides.append({"fold": fold, "split": split, "clips": len(side), "actors": own_actors, "labels": labels})
    return sides


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    predictions = scores(features="enc", head=HEAD)
    about = {"protocol": "group4", "leaky": False, "select": "val", "seeds": 1, "caches": []}
    tuning = {"stream": "audio", "features": "enc", "head": HEAD, "folds": counted(predictions)}
    write_run(tmp_path / "run", Fitted(predictions, (), about | {"fine_tuned": tuning}), {})
    return tmp_path / "run"


def test_rows_that_are_where_the_recipe_counted_them_hold_and_the_rest_has_its_true_reason(tuned) -> None:
    audit = audit_run(tuned)
    assert not audit.broken
    assert audit.trust.encoded_here
    assert audit.summary.startswith("held as far as could be tried: not possible: plan as recorded, folds from the")
    verdicts = {line.check: line for line in audit.lines}
    assert "of 12 sides are those that the recipe counted" in verdicts["predictions follow the folds"].finding
    assert "fine-tuned its encoder on the clips themselves" in verdicts["trained again"].finding


@pytest.mark.parametrize(
    ("change", "verdict", "message"),
    [
        (lambda it: it["folds"][0]["actors"].extend(it["folds"][2]["actors"]), "leak", "is in train and in test"),
        (lambda about: about["folds"][1]["actors"].pop(), "leak", "val of fold 0 holds other actors, clips or labels"),
        (lambda about: about["folds"].pop(), "leak", "test of fold 3 holds other actors, clips or labels"),
        (lambda about: about.update(head="other"), "leak", "the run fine-tuned audio / enc / other and nothing else"),
        (lambda about: about.pop("folds"), "edited", "counts none of its folds"),
    ],
)  # fmt: skip
def test_rows_that_are_elsewhere_are_found(change, verdict, message, tuned) -> None:
    rewrite(tuned / "recipe.json", lambda recipe: change(recipe["fine_tuned"]))
    (line,) = check_recorded_folds(open_run(tuned))
    assert line.verdict == verdict
    assert message in line.finding
