"""``ravfeat audit``."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.audit.runs import caches_in

HEAD = ["--head", "logreg", "--device", "cpu"]


@pytest.fixture(scope="module")
def face(tmp_path_factory) -> Path:
    return caches_in(tmp_path_factory.mktemp("audited"))[1]


@pytest.mark.usefixtures("blank_figures")
def test_an_honest_run_passes_and_a_clip_split_fails(here, face, tmp_path) -> None:
    honest, leaky = tmp_path / "honest", tmp_path / "leaky"
    assert here("fit-heads", "--cache", face, *HEAD, "--out", honest).returncode == 0
    control = ["--protocol", "clip6", "--allow-leak", "--out", leaky]
    assert here("fit-heads", "--cache", face, *HEAD, *control).returncode == 0
    done = here("audit", honest)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"audit of {honest}"
    assert lines[1] == "4 classes, chance 0.250"
    assert lines[2] == f"pass          caches unchanged · {face.name}"
    assert re.fullmatch(r" {14}192 clips, digest [0-9a-f]{12} as recorded", lines[3])
    assert re.search(
        r"audit\.json: held: \d+ checks found no leak and no edit \(.*\d+ pass\), in \d+\.\d s$",
        lines[-1],
    )
    assert json.loads((honest / "audit.json").read_text())["broken"] is False
    done = here("audit", leaky, "--quick")
    assert done.returncode == 1
    assert "LEAK          protocol keeps actors apart" in done.stdout
    assert "BROKEN by protocol keeps actors apart, folds from the shards, predictions keep sides apart (" in done.stdout
    assert here("audit", leaky, honest, "--quick").returncode == 1  # the worst of several
    done = here("audit", honest, "--quick")
    assert done.returncode == 4
    assert (
        "held as far as could be tried: not judged (--quick): the training of the heads, what it chose (" in done.stdout
    )
    assert here("audit", honest, "--quick", "--strict").returncode == 1
    assert here("audit", honest, "--strict").returncode == 0
    assert here("report", honest, leaky).returncode == 0
    text = (honest / "report" / "report.md").read_text(encoding="utf-8")
    assert re.search(r"\| held \(\d+ of \d+ tried\) \|", text)
    assert "| BROKEN |" in text


def test_a_moved_cache_is_refused_and_found_where_it_is_said_to_be(here, face, tmp_path) -> None:
    shutil.copytree(face, tmp_path / "then" / "ravdess" / face.name)
    run = tmp_path / "run"
    assert here("fit-heads", "--cache", tmp_path / "then", *HEAD, "--out", run).returncode == 0
    (tmp_path / "then").rename(tmp_path / "now")
    refused = here("audit", run, "--quick")
    assert refused.returncode == 1
    assert "say where it lies now with --cache DIR" in refused.stderr
    assert not (run / "audit.json").exists()
    assert here("audit", run, "--quick", "--cache", tmp_path / "now").returncode == 4
    done = here("audit", run, "--without-caches")
    assert done.returncode == 4
    assert "not possible  folds from the shards" in done.stdout
    assert "held as far as could be tried: not possible: caches unchanged, plan as recorded, folds from" in done.stdout


def test_what_is_no_run_is_refused(here, tmp_path) -> None:
    done = here("audit", tmp_path)
    assert done.returncode == 1
    assert "is not a run: it has no recipe.json" in done.stderr
    assert here("audit").returncode == 2
