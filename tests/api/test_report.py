"""`ravfeat.report`: what the command does, from Python."""

import pytest

import ravfeat
from ravfeat.errors import UsageError


def test_the_page_is_that_of_the_command(small_run, here, tmp_path, blank_figures) -> None:
    here("report", small_run.path, "--out", "theirs", cwd=tmp_path)
    page = ravfeat.report([small_run.path], out=tmp_path / "mine")
    assert page.read_bytes() == (tmp_path / "theirs" / "report.html").read_bytes()


def test_no_run_is_refused() -> None:
    with pytest.raises(UsageError, match="expected at least one run, got none"):
        ravfeat.report([])
