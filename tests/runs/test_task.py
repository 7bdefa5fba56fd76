"""What a number is about: classes, chance, clips, and what makes the task another one."""

from pathlib import Path
from typing import Any

import pytest

from ravfeat.runs.recipe import Recipe, recipe_of
from ravfeat.runs.task import chance_said, changes, clips_said


def recipe(**record: Any) -> Recipe:
    return recipe_of(record, Path("recipe.json"))


def test_chance_is_one_over_the_classes() -> None:
    assert chance_said(2) == "2 classes, chance 0.500"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"caches": [{"clips": 90}]}, "80 of 90 clips tested"),
        ({"caches": [{"clips": 90, "missing": ["a"], "left_out": 2, "narrowed": {"--where": 7}}]}, "80 of 100 clips"),
        ({"caches": [], "runs": [{"recipe": {"caches": [{"clips": 80}]}}]}, "80 of 80 clips tested"),
        ({"caches": [{"clips": 10}]}, "80 of 80 clips tested"),  # a recipe cannot make them more than all
        ({"caches": [{"clips": 90}], "cross_corpus": {"train": "a", "test": "b"}}, "80 clips tested"),
        ({}, "80 clips tested"),
    ],
)
def test_clips_are_set_against_those_of_the_corpus_where_the_recipe_tells(record: dict[str, Any], said: str) -> None:
    assert clips_said(recipe(**record), 80).startswith(said)


NARROWED = {"clips": 9, "labels": {"high": 9}, "left_out": {"--where": 3, "--label-map": 2, "--clips": 0}}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"caches": [{"clips": 9}], "tested_folds": {"folds": [0, 1], "of": 2}}, ()),
        (
            {"replaced_labels": {"file": "m.csv", "sha256": "0", "clips": 9, "relabelled": 4, "left_out": 1}},
            ("labels of m.csv: 4 relabelled, 1 left out",),
        ),
        (
            {"narrowed": NARROWED | {"where": "take == 1", "label_map": "two.csv"}},
            (
                "classes merged or renamed by two.csv",
                "3 clips left out by --where take == 1",
                "2 clips left out by --label-map",
            ),
        ),
        ({"caches": [{"missing": ["a", "b"]}, {"missing": ["b"]}]}, ("2 clips not stored",)),
        ({"caches": [{"left_out": 5}]}, ("5 clips of no class left out",)),
        ({"tested_folds": {"folds": [3], "of": 6}}, ("1 of 6 folds tested",)),
        (
            {
                "cross_corpus": {
                    "train": "a",
                    "test": "b",
                    "labels": {"train": {"calm": "low", "neutral": "low"}, "test": {"calm": "low"}},
                }
            },
            ("classes of a merged: low is calm and neutral",),
        ),
        ({"runs": [{"recipe": {"missing": ["x"]}}, {"recipe": {"missing": ["x"]}}]}, ("1 clips not stored",)),
    ],
)
def test_whatever_makes_the_task_another_one_is_said(record: dict[str, Any], said: tuple[str, ...]) -> None:
    assert changes(recipe(**record)) == said


def test_names_of_files_cannot_end_the_line() -> None:
    labels = {"file": "m\x1b[2J\n.csv", "sha256": "0", "clips": 9, "relabelled": 4, "left_out": 1}
    (said,) = changes(recipe(replaced_labels=labels))
    assert "\n" not in said
    assert "\x1b" not in said
