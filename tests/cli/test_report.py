"""``ravfeat report``."""

from pathlib import Path

import pytest

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions, build_cache


@pytest.fixture(scope="module")
def blank_figures() -> None:
    """Draw them."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    cache = build_cache(folder, actors_and_emotions())
    write_run(
        folder / "a", fit_heads(FitPlan((cache,), heads=("logreg",), layers="1")), {"command": "ravfeat fit-heads"}
    )
    return folder / "a"


def test_the_page_goes_into_the_run_and_its_path_is_printed(run, here) -> None:
    done = here("report", run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(run / "report" / "report.html")
    assert (run / "report" / "report.md").is_file()


def test_the_page_goes_where_it_is_told(run, here, tmp_path) -> None:
    done = here("report", run, "--out", tmp_path / "page")
    assert done.stdout.strip() == str(tmp_path / "page" / "report.html")


def test_what_is_no_run_is_refused(here, tmp_path) -> None:
    done = here("report", tmp_path / "nothing")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_recordings_that_are_not_there_are_refused_before_anything_is_drawn(run, here, tmp_path) -> None:
    done = here("report", run, "--out", tmp_path / "page", "--with-audio", tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ravfeat: --with-audio: none of ")
    assert not (tmp_path / "page").exists()
