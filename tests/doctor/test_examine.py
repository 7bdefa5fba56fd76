"""All checks, none of which ends the others."""

from pathlib import Path

import pytest

from ravfeat.doctor import examine as module
from ravfeat.doctor.examine import examine
from ravfeat.doctor.imports import Import
from ravfeat.extract.batch_plan import BatchLimits


@pytest.fixture
def nothing_here(monkeypatch) -> None:
    monkeypatch.setattr(module, "try_imports", lambda names: dict.fromkeys(names, Import(missing=True, error="no")))


@pytest.mark.usefixtures("nothing_here")
def test_a_check_that_fails_is_a_line(tmp_path, monkeypatch) -> None:
    def fail() -> None:
        raise ValueError("what nobody thought of\nand more")

    def lack() -> None:
        raise ModuleNotFoundError("No module named 'h5py'", name="h5py")

    monkeypatch.setattr(module, "check_machine", fail)
    monkeypatch.setattr(module, "check_face_models", lack)
    findings = {(finding.topic, finding.name): finding for finding in examine(tmp_path, offline=True)}
    failed = findings["system", "python"]
    assert (failed.state, failed.text) == ("problem", "could not be examined (ValueError: what nobody thought of)")
    lacking = findings["models", "faces"]
    assert (lacking.state, lacking.text) == ("missing", "cannot be examined without h5py")
    assert ("storage", "out") in findings
    assert findings["extract", "device"].state == "missing"


def test_this_machine_is_whole(tmp_path: Path) -> None:
    findings = {(finding.topic, finding.name): finding for finding in examine(tmp_path, offline=True)}
    assert not [finding for finding in findings.values() if finding.breaks or finding.state == "problem"]
    assert findings["packages", "extract"].state == "ok"
    limits = BatchLimits()
    values = findings["extract", "device"].values
    assert (values["device"], values["batch_clips"], values["batch_seconds"]) == ("cpu", limits.clips, limits.seconds)
