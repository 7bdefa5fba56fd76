"""What a system's numbers never stand without."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.report.graded import grade
from ravfeat.runs.read import read_runs

Make = Callable[..., Path]

CLEAN = {"features": "logmel-0f3c9a", "trained_on": "clean", "views": []}
TAUGHT = {"features": "logmel-0f3c9a", "trained_on": "clean + gain-1:seed0", "views": [{"view": "gain-1:seed0"}]}


def test_views_that_trained_stand_among_the_conditions(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0}, recipe={"caches": [TAUGHT], "plan": {"caches": ["cache/a"]}})
    (entry,) = grade(read_runs([run]))
    assert entry.conditions.startswith(
        "synthetic · group4 · select val · trained on clean + gain-1:seed0 · 2 seeds · n = "
    )


@pytest.mark.parametrize("recipe", [{}, {"caches": [CLEAN]}, {"caches": [TAUGHT | {"features": "other"}]}])
def test_clean_clips_go_without_saying(make_run: Make, recipe: dict[str, object]) -> None:
    (entry,) = grade(read_runs([make_run(heads={"logreg": 1.0}, recipe=recipe)]))
    assert "trained on" not in entry.conditions


def test_beside_views_clean_clips_are_named_too(make_run: Make) -> None:
    runs = [make_run(name, recipe={"caches": [cache]}) for name, cache in (("a", CLEAN), ("b", TAUGHT))]
    taught = [entry.facts["views"] for entry in grade(read_runs(runs))]
    assert taught == 2 * ["trained on clean"] + 2 * ["trained on clean + gain-1:seed0"]


def test_what_was_fused_names_the_views_of_its_members_and_so_does_a_fusion_of_runs(make_run: Make) -> None:
    caches = [TAUGHT, {"features": "landmarks-77ab01", "trained_on": "clean", "views": []}]
    for name, recipe in (("one", {"caches": caches}), ("many", {"runs": [{"recipe": {"caches": caches}}]})):
        run = make_run(name, heads={"logreg": 1.0}, faces={"kernel": 0.9}, recipe=recipe)
        graded = [entry for entry in grade(read_runs([run])) if entry.role != "alternative"]
        taught = {str(entry.system): entry.trained_on for entry in graded}
        assert sorted(taught.values()) == ["", "clean + gain-1:seed0", "clean + gain-1:seed0"]
        assert taught["face / landmarks-77ab01 / kernel"] == ""
