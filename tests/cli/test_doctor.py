"""ravfeat doctor, in processes of its own: packages are missing, broken or crash there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = "from ravfeat.cli import main; main()"
BLOCKER = """
import os, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["BLOCKED"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")

    def run(*arguments: str, blocked: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        paths = [str(site), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        return subprocess.run(
            [sys.executable, "-c", RUN, "doctor", *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "BLOCKED": blocked} | environment,
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def read(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(finding["topic"], finding["name"]): finding for finding in json.loads(done.stdout)["findings"]}


def test_the_text_fits_into_80_columns_and_the_home_folder_is_not_shown(doctor, tmp_path) -> None:
    done = doctor("--offline", "--out", str(tmp_path / "cache"), HOME=str(tmp_path), HF_TOKEN="hf_secret_token")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert str(tmp_path) not in done.stdout
    assert "hf_secret_token" not in done.stdout
    for words in (
        "  OK       extract     torch ",
        "  missing  cuda",
        "  OK       out         ~: ",
        "what is needed works",
    ):
        assert words in done.stdout


def test_the_json_follows_its_documented_schema_and_the_hub_is_that_of_the_environment(doctor, tmp_path) -> None:
    done = doctor("--json", HOME=str(tmp_path), HF_ENDPOINT="http://anna:geheim@127.0.0.1:9")
    hub = read(done)["models", "hub"]
    assert (done.returncode, hub["state"], hub["values"]["address"]) == (0, "problem", "http://127.0.0.1:9")
    assert "geheim" not in done.stdout
    document = json.loads(done.stdout)
    assert set(document) == {"format_version", "ravfeat", "healthy", "findings"}
    assert (document["format_version"], document["healthy"]) == (1, True)
    page = (Path(__file__).parents[2] / "docs" / "installing.md").read_text(encoding="utf-8")
    for finding in document["findings"]:
        assert {key: type(value) for key, value in finding.items()} == {
            "topic": str, "name": str, "state": str, "needed": bool, "text": str, "remedy": str, "values": dict,
        }  # fmt: skip
        assert finding["state"] in {"ok", "missing", "problem"}
        for key in finding["values"]:
            assert f"`{key}`" in page, f"docs/installing.md does not describe {key} of {finding['name']}"


@pytest.mark.parametrize(("packages", "extra"), [("torch", "extract"), ("mediapipe, onnxruntime", "face")])
def test_missing_packages_are_a_line_and_the_rest_is_there(packages, extra, doctor) -> None:
    done = doctor("--json", "--offline", blocked=packages.replace(" ", ""))
    assert (done.returncode, done.stderr) == (0, "")
    findings = read(done)
    assert findings["packages", extra]["state"] == "missing"
    assert f"not installed: {packages}" in findings["packages", extra]["text"]
    assert findings["packages", extra]["remedy"] == f"pip install 'ravfeat[{extra}]'"
    assert {topic for topic, _ in findings} >= {"system", "packages", "media", "storage", "models", "extract"}
    assert [finding for finding in findings.values() if finding["state"] == "problem"] == []


def test_a_torch_that_crashes_still_gives_the_rest_and_an_exit_code(doctor, tmp_path) -> None:
    (tmp_path / "site" / "torch").mkdir()
    (tmp_path / "site" / "torch" / "__init__.py").write_text("import os; os.abort()", encoding="utf-8")
    done = doctor("--json", "--offline")
    assert (done.returncode, done.stderr) == (1, "")
    findings = read(done)
    assert "cannot be imported: torch (importing it crashes (SIGABRT))" in findings["packages", "extract"]["text"]
    assert findings["packages", "report"]["state"] == "ok"
    assert findings["storage", "out"]["state"] == "ok"


def test_without_a_package_of_the_base_the_exit_code_is_1(doctor) -> None:
    done = doctor("--offline", blocked="h5py")
    assert (done.returncode, done.stderr) == (1, "")
    assert "not installed: h5py" in " ".join(done.stdout.split())
    assert done.stdout.rstrip().splitlines()[-1] == "broken: packages base"
