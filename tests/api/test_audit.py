"""`ravfeat.audit`: what the command does, from Python."""

import shutil

import pytest

import ravfeat
from ravfeat.errors import UsageError


def test_one_run_has_one_audit_and_several_a_list(small_run, tmp_path, capfd) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run.path, run)
    audit = ravfeat.audit(run, quick=True)
    assert capfd.readouterr() == ("", "")
    assert not audit.broken
    assert (run / "audit.json").is_file()
    assert ravfeat.open_run(run).files.audit is not None
    assert [found.counts for found in ravfeat.audit([run], quick=True)] == [audit.counts]


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(UsageError, match="expected at least one run, got none"):
        ravfeat.audit([])
    with pytest.raises(UsageError, match="quick is 1, expected true or false"):
        ravfeat.audit("run", quick=1)  # type: ignore[call-overload]
