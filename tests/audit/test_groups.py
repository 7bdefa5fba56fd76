"""The audit by group: a line per column from the shards, and a file that says otherwise."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.audit.context import open_run
from ravfeat.audit.groups import check_groups
from ravfeat.runs.groups_file import groups_record
from tests.audit.runs import caches_in, make_run, rewrite


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups")
    return make_run(folder / "run", caches_in(folder / "cache")[:1], protocol="group4", layers="1")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_every_column_has_a_line_of_information(run) -> None:
    lines = check_groups(open_run(run))
    assert {line.verdict for line in lines} == {"info"}
    assert [line.subject.partition(" · ")[0] for line in lines] == ["gender", "statement"]
    gender, statement = lines
    assert gender.finding.startswith("UAR female ")
    assert "12 actors), male " in gender.finding
    assert "(Holm over 2 comparisons of all columns), different actors" in gender.finding
    assert ", the same actors; ECE " in statement.finding
    assert [group["actors"] for group in gender.evidence["groups"]] == [12, 12]
    json.dumps(gender.evidence)


def test_a_group_that_lacks_a_class_says_so_beside_its_number(copy) -> None:
    context = replace(open_run(copy), prepared=None)
    probs = context.predictions.seed_averaged(context.predictions.systems()[0])
    labels = {clip: probs.classes[y] for clip, y in zip(probs.clip_ids, probs.y, strict=True)}
    told = {"known": {clip: "sad" if label == "sad" else "other" for clip, label in labels.items()}}
    (copy / "groups.json").write_text(json.dumps(groups_record(told)))
    (line,) = check_groups(context)
    assert " actors, without sad), sad " in line.finding
    assert ": its groups share too few classes" in line.finding


def test_a_file_that_contradicts_the_shards_is_an_edit(copy) -> None:
    rewrite(copy / "groups.json", lambda groups: groups["columns"]["gender"].__setitem__(0, "other"))
    (line,) = check_groups(open_run(copy))
    assert (line.verdict, line.subject) == ("edited", "groups.json")
    assert "gender of 1 clips is another one than the shards say, such as 'other' of" in line.finding


def test_without_caches_the_file_tells_and_without_it_the_names(copy) -> None:
    context = open_run(copy)
    told = [line.finding for line in check_groups(context)]
    without = replace(context, prepared=None)
    assert [line.finding for line in check_groups(without)] == told
    (copy / "groups.json").unlink()
    assert [line.finding for line in check_groups(without)] == told
