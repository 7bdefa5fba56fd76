"""``ravfeat compare-splits``."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

QUICK = ["--device", "cpu"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("caches")
    takes = [replace(take, features=take.features[:, 1:2]) for take in actors_and_emotions()]
    return [write_cache(folder, takes), write_cache(folder, takes, name="other")]


def test_one_table_says_what_both_splits_give_and_whether_people_are_known(here, paths, tmp_path) -> None:
    join = ",".join(map(str, paths))
    done = here("compare-splits", "--cache", paths[0], "--concat", join, *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("clip6 LEAKY (tested on actors it was trained on) against ravdess6")
    assert re.split(r" {2,}", lines[1]) == [
        "stream", "features", "head", "clip split, LEAKY", "actor split", "gap", "identity (chance)", "n"
    ]  # fmt: skip
    number, signed = r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", r"[+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\]"
    wanted = (rf"{number} LEAKY", number, signed, rf"{number} \(0\.042\)", "96")
    for line, features in zip(lines[2:4], ("toy", "toy+other"), strict=True):
        system, scores = line.split()[:3], re.split(r" {2,}", line)[3:]
        assert system == ["face", features, "logreg"]
        assert all(re.fullmatch(pattern, cell) for pattern, cell in zip(wanted, scores, strict=True)), line
    assert lines[4].startswith("The gap is the price of the split")
    assert lines[5].startswith("under the actor split: with 24 actors and one system: ")  # the second decides alike
    assert re.search(r"'ravfeat report .*/a/actor .*/a/clip' makes the report$", lines[7])
    assert len(json.loads((tmp_path / "a" / "splits.json").read_text())["systems"]) == 2
    assert here("report", tmp_path / "a").returncode == 0  # its two runs
    assert "LEAKY" in (tmp_path / "a" / "report" / "report.md").read_text(encoding="utf-8")
    command = json.loads((tmp_path / "a" / "clip" / "recipe.json").read_text())["command"]
    assert command.startswith("ravfeat compare-splits --cache ")


def test_a_comparison_is_replaced_only_by_force_and_refused_before_training(here, paths, tmp_path, monkeypatch) -> None:
    call = ["compare-splits", "--cache", paths[0], *QUICK, "--out", tmp_path / "a"]
    assert here(*call).returncode == 0
    with monkeypatch.context() as patch:
        patch.setattr("ravfeat.splits.compare.compare_splits", pytest.fail)
        refused = here(*call)
    assert refused.returncode == 2
    assert "already holds a comparison of splits" in refused.stderr
    assert here(*call, "--force").returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "clip6"], "'clip6' is what is compared with"),
        (["--protocol", "group2"], "has 2 folds, and random clips are compared over three or more"),
        (["--head", "attentive", "--concat", "x"], "--concat 'x': expected two or more caches"),
        (["--head", "forest"], "no head 'forest'"),
    ],
)
def test_options_that_cannot_be_end_with_2(options, message, here, paths, tmp_path) -> None:
    done = here("compare-splits", "--cache", paths[0], *QUICK, "--out", tmp_path / "a", *options)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "a").exists()
