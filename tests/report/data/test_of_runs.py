"""The section of a report on the tested clips, with the run's caches at hand and without them."""

import shutil

import pytest

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.report.data.of_runs import data_section
from ravfeat.report.graded import grade
from ravfeat.runs.read import read_runs
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions, build_cache


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and its cache."""
    folder = tmp_path_factory.mktemp("run")
    cache = build_cache(folder, actors_and_emotions())
    fitted = fit_heads(FitPlan((cache,), heads=("logreg",), protocol="group3", layers="1"))
    write_run(folder / "a", fitted, {"command": "ravfeat fit-heads"})
    return folder / "a", cache


def words_of(run) -> str:
    section = data_section(grade(read_runs([run])))
    (part,) = section.subsections
    assert part.tables[0].columns[0].title.startswith("label")
    return "\n".join([*part.paragraphs, *part.points])


def test_with_the_cache_at_hand_its_facts_are_told_and_without_it_that_they_are_not(made, tmp_path) -> None:
    run, cache = made
    assert "From predictions and the cache that the run read." in words_of(run)
    moved = shutil.move(cache, tmp_path / "moved")
    try:
        words = words_of(run)
    finally:
        shutil.move(moved, cache)
    assert "no cache of the run is at hand as it was" in words
    assert "gender:" not in words


def test_a_cache_that_holds_something_else_now_is_not_believed(made, tmp_path) -> None:
    run, cache = made
    kept = shutil.copytree(cache, tmp_path / "kept")
    shutil.rmtree(cache)
    try:
        shutil.move(build_cache(tmp_path / "other", actors_and_emotions(repeats=2)), cache)
        assert "no cache of the run is at hand as it was" in words_of(run)
    finally:
        shutil.rmtree(cache)
        shutil.move(kept, cache)


def test_simulated_runs_of_one_corpus_are_one_part(two_runs) -> None:
    section = data_section(grade(read_runs(two_runs)))
    assert len(section.subsections) == 1
