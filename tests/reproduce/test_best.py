"""What the best systems read, and what they lack."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.cache import open_cache
from ravfeat.experiment.fit import prepare
from ravfeat.media.augment import View
from ravfeat.reproduce import StudyOptions, plan_study
from ravfeat.reproduce.answers import Entry
from ravfeat.reproduce.caches import find_materials
from ravfeat.reproduce.steps import Fit, estimate_s
from tests.reproduce.conftest import faces
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

TAKES = [replace(take, performance_id=take.clip_id) for take in actors_and_emotions()]
ACTIVE = {take.clip_id: (0.1, 0.9) for take in TAKES}
SPEEDS = [View.written(f"speed:{factor}").name for factor in (0.9, 1.1)]
HOW = "chosen on inner actor-grouped folds of RAVDESS; emobox6 regroups the same people"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A voice that says where it speaks, with two speeds and a gain, and every kind of face."""
    folder = tmp_path_factory.mktemp("best")
    for view in ("clean", *SPEEDS):
        write_cache(folder, TAKES, name="voice", stream="audio", view=view, active=ACTIVE)
    write_cache(folder, TAKES, name="voice", stream="audio", view="gain-1:seed0")
    for seed, name in enumerate(("expressions", "landmarks", "landmarks-geometry")):
        write_cache(folder, faces(TAKES, width=3 + seed, seed=seed), name=name)
    return folder


def options(home: Path) -> StudyOptions:
    return StudyOptions(Path("out"), (home,), seeds=2)


def best(home: Path) -> dict[str, Entry]:
    entries = {entry.row.key: entry for entry in plan_study(options(home)).entries if entry.row.key.startswith("B")}
    assert list(entries) == ["B1", "B2", "B3"]
    return entries


def fit_of(entry: Entry) -> Fit:
    step = entry.figures[0].step
    assert isinstance(step, Fit)
    return step


def encoders(paths: tuple[Path, ...]) -> list[str]:
    return [str(open_cache(path).about["encoder"]) for path in paths]


def test_geometry_is_told_from_landmarks(whole) -> None:
    found = find_materials(options(whole)).found
    names = {role: found[role].encoder for role in ("geometry", "landmarks", "expression")}
    assert names == {"geometry": "landmarks-geometry", "landmarks": "landmarks", "expression": "expressions"}
    assert not found["geometry"].exact
    assert [face.encoder for face in find_materials(options(whole)).faces()] == ["landmarks", "expressions"]


def test_where_all_is_there_nothing_differs(whole) -> None:
    entries = best(whole)
    assert all(entry.differs == (HOW,) for entry in entries.values())
    assert [entry.encoder for entry in entries.values()] == [
        "voice", "landmarks-geometry + expressions", "voice + landmarks-geometry + expressions",
    ]  # fmt: skip
    assert not any(entry.stand_in or entry.missing for entry in entries.values())
    assert [figure.stream for figure in entries["B3"].figures] == ["av", "fused", "fused"]
    steps = {figure.step.name for entry in entries.values() for figure in entry.figures}
    assert steps == {"kernels-ravdess6-voice", "kernels-emobox6-voice"}  # every row reads the same two runs


def test_both_kernels_read_the_speeds_of_the_voice_and_two_faces(whole) -> None:
    plan = fit_of(best(whole)["B3"]).plan
    assert plan.heads == ("block-kernel", "joint-kernel")
    assert (plan.select, plan.protocol, plan.seeds, plan.average_views) == ("nested", "ravdess6", 2, "scores")
    assert [open_cache(path).identity["view"] for path in plan.train_views] == SPEEDS
    assert (encoders(plan.caches), encoders(plan.joins[0])) == (["voice"], ["landmarks-geometry", "expressions"])
    assert plan.settings == {"parts": ("whole", "active")}
    prepared = prepare(plan)
    assert [system.stream for system in prepared.systems] == ["audio", "face", "av"]
    assert prepared.systems[0].features == "voice@mean-scores"


def test_what_is_not_there_is_said(home) -> None:
    entries = best(home)
    clean = "clean clips only, no speed views here"
    pooled = "whole clips, the speech-active part is not stored"
    instead = "landmarks in place of face-geometry"
    assert entries["B1"].differs == (HOW, clean, pooled)
    assert entries["B2"].differs == (HOW, instead)
    assert entries["B3"].differs == (HOW, clean, pooled, instead)
    plan = fit_of(entries["B1"]).plan
    assert (plan.train_views, plan.average_views, plan.settings) == ((), "none", {})


@pytest.mark.parametrize("spoil", ["pooled", "a speed"])
def test_the_active_part_is_pooled_where_all_say_it(spoil, tmp_path) -> None:
    pooled = ("mean", "std", "min", "max", "speed") if spoil == "pooled" else ()
    write_cache(tmp_path, TAKES, name="voice", stream="audio", active=ACTIVE, pooled=pooled)
    write_cache(tmp_path, TAKES, name="voice", stream="audio", view=SPEEDS[0], pooled=pooled)
    entry = best(tmp_path)["B1"]
    assert entry.differs == (HOW, "whole clips, the speech-active part is not stored")
    assert fit_of(entry).plan.settings == {}
    prepare(fit_of(entry).plan)


def test_a_voice_alone_and_faces_alone_have_their_row(tmp_path) -> None:
    write_cache(tmp_path / "voice", TAKES, name="voice", stream="audio")
    entries = best(tmp_path / "voice")
    assert fit_of(entries["B1"]).plan.heads == ("block-kernel",)
    assert entries["B2"].missing == entries["B3"].missing == "no cache of a face's geometry or expression here"
    write_cache(tmp_path / "face", TAKES, name="face-geometry")
    entries = best(tmp_path / "face")
    assert entries["B1"].missing == entries["B3"].missing == "no cache of a voice here"
    assert entries["B2"].differs == (HOW, "without expressions")
    step = fit_of(entries["B2"])
    assert (step.name, step.plan.heads) == ("kernels-ravdess6-face-geometry", ("block-kernel",))
    prepare(step.plan)
    write_cache(tmp_path / "face", TAKES, name="expressions")
    step = fit_of(best(tmp_path / "face")["B2"])
    assert (step.plan.caches, encoders(step.plan.joins[0])) == ((), ["face-geometry", "expressions"])
    assert [system.stream for system in prepare(step.plan).systems] == ["face"]


def test_views_cost_time(whole, home) -> None:
    with_views, without = (estimate_s(fit_of(best(where)["B3"])) for where in (whole, home))
    assert with_views is not None
    assert without is not None
    assert with_views >= without
    step = fit_of(best(whole)["B1"])
    large = replace(step, materials=tuple(replace(one, clips=10**5) for one in step.materials))
    alone = replace(large, plan=replace(large.plan, train_views=()))
    assert (estimate_s(large) or 0) > 2 * (estimate_s(alone) or 0)
