"""The heads of a plan, built for the features they get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CacheError, UsageError
from ravfeat.experiment.build import (
    FACE_STATISTICS,
    build_head,
    check_plan,
    heads_of,
)
from ravfeat.experiment.fit import fit_heads, prepare
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.systems import CacheSystem, open_systems
from ravfeat.features.statistics import FACE_MOTION_STATISTICS
from ravfeat.heads.registry import head_of
from ravfeat.numerics.pooling import pool_block
from ravfeat.protocols.named import get_protocol
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

TAKES = actors_and_emotions(actors=6)


def system(folder: Path, **options: object) -> CacheSystem:
    path = write_cache(folder, TAKES, **options)
    return open_systems(FitPlan((path,)), get_protocol("group3"))[0]


@pytest.mark.parametrize("head", ["logreg", "kernel"])
def test_a_face_is_read_with_its_speed_and_a_voice_is_not(head, tmp_path) -> None:
    assert build_head(head, FitPlan(), system(tmp_path)).reading.statistics == FACE_STATISTICS
    assert "speed" not in build_head(head, FitPlan(), system(tmp_path, stream="audio")).reading.statistics
    assert build_head(head, FitPlan(std=False), system(tmp_path)).reading.statistics == ("mean",)
    chosen = FitPlan(settings={"statistics": ("mean", "max")})
    assert build_head(head, chosen, system(tmp_path)).reading.statistics == ("mean", "max")


@pytest.mark.parametrize("names", [FACE_STATISTICS, FACE_MOTION_STATISTICS])
def test_a_head_can_be_asked_for_the_statistics_of_faces(names, tmp_path) -> None:
    plan = FitPlan(settings={"statistics": names})
    assert pool_block(np.ones((1, 5, 2)), build_head("kernel", plan, system(tmp_path)).reading.statistics).shape == (
        1, len(names), 2,
    )  # fmt: skip


def test_a_pooled_cache_of_faces_serves_every_head(tmp_path) -> None:
    pooled = system(tmp_path, pooled=("mean", "std", "speed"))
    for head in ("logreg", "kernel", "attentive"):
        build_head(head, FitPlan(), pooled)


def test_the_default_head_reads_what_a_pooled_cache_stores(tmp_path) -> None:
    pooled = system(tmp_path, pooled=("mean", "std"), stream="audio")
    assert build_head("block-kernel", FitPlan(), pooled).reading.statistics == ("mean", "std")
    with pytest.raises(CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \['max'\] as well"):
        build_head("block-kernel", FitPlan(settings={"statistics": ("mean", "max")}), pooled)


def test_a_pooled_cache_without_speed_is_refused(tmp_path) -> None:
    pooled = system(tmp_path, pooled=("mean", "std"))
    with pytest.raises(CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \['speed'\] as well"):
        build_head("logreg", FitPlan(), pooled)


def test_concatenated_caches_need_heads_that_pool_by_statistics() -> None:
    joins = ((Path("a"), Path("b")),)
    with pytest.raises(UsageError, match=r"head 'attentive' pools the frames .*; give --concat to logreg or"):
        check_plan(FitPlan(joins=joins, heads=("logreg", "attentive")))
    check_plan(FitPlan(joins=joins, heads=("logreg", "kernel")))


def test_a_plan_without_features_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one --cache or --concat, got none"):
        check_plan(FitPlan())


def test_heads_can_be_kept_for_one_stream(tmp_path) -> None:
    face, voice = system(tmp_path), system(tmp_path / "voice", stream="audio")
    plan = FitPlan(caches=(tmp_path,), heads=("audio:attentive", "face:kernel", "logreg"))
    check_plan(plan)
    assert heads_of(plan, voice) == ["attentive", "logreg"]
    assert heads_of(plan, face) == ["kernel", "logreg"]
    with pytest.raises(UsageError, match=r"no head is meant for face .*; add one with --head face:NAME"):
        heads_of(FitPlan(heads=("audio:attentive",)), face)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (("audio:forest",), "no head 'forest'; choose from attentive"),
        (("video:logreg",), "no stream 'video' to keep a head for; choose from audio, face"),
        (("logreg", "face:logreg"), "expected every head once, got logreg, face:logreg"),
        ((), "expected every head once, got none"),
    ],
)
def test_heads_that_cannot_be_are_refused(heads, message, tmp_path) -> None:
    with pytest.raises(UsageError, match=message):
        check_plan(FitPlan(caches=(tmp_path,), heads=heads))


def test_a_head_of_another_stream_that_pools_by_itself_does_not_stop_a_join(tmp_path) -> None:
    joins = ((tmp_path / "a", tmp_path / "b"),)
    check_plan(FitPlan(joins=joins, heads=("audio:attentive", "face:kernel")))


# --- parts of clips


PARTS = {"parts": ("whole", "active")}
ACTIVE = {take.clip_id: (0.1, 0.7) for take in TAKES}


@pytest.mark.parametrize("head", ["logreg", "kernel"])
def test_a_voice_is_pooled_by_parts_and_a_face_as_a_whole(head, tmp_path) -> None:
    plan = FitPlan(settings=PARTS)
    voice = build_head(head, plan, system(tmp_path, stream="audio", active=ACTIVE)).reading.statistics
    names = build_head(head, FitPlan(), system(tmp_path, stream="audio", name="other")).reading.statistics
    assert voice == (*names, *(f"active:{name}" for name in names))
    assert build_head(head, plan, system(tmp_path)).reading.statistics == FACE_STATISTICS


def test_clips_without_an_active_part_are_refused_before_anything_is_trained(tmp_path) -> None:
    path = write_cache(tmp_path, TAKES, stream="audio")
    plan = FitPlan((path,), heads=("logreg",), protocol="group3", settings=PARTS)
    with pytest.raises(
        CacheError, match=r"does not say where the speech of 24 of 24 clips begins and ends .*another --"
    ):
        prepare(plan)


def test_an_active_part_is_trained_on_and_said(tmp_path) -> None:
    path = write_cache(tmp_path, TAKES, stream="audio", active=ACTIVE)
    plan = FitPlan((path,), heads=("logreg",), protocol="group3", settings=PARTS | {"grid": (3.0,)})
    both, whole = fit_heads(plan), fit_heads(replace(plan, settings={"grid": (3.0,)}))
    recipes = [fitted.models[0].model.recipe["settings"] for fitted in (both, whole)]
    assert recipes[0]["parts"] == ["whole", "active"]
    assert "parts" not in recipes[1]  # as recipes always were
    assert both.predictions.logits().tolist() != whole.predictions.logits().tolist()
    again = head_of(both.models[0].model.recipe)
    assert again.reading.statistics == ("mean", "std", "active:mean", "active:std")


@pytest.mark.parametrize("parts", [("active",), ("whole", "active")])
def test_faces_alone_have_no_part_to_pool(parts, tmp_path) -> None:
    path = write_cache(tmp_path, TAKES)
    plan = FitPlan((path,), heads=("kernel",), protocol="group3", settings={"parts": parts})
    with pytest.raises(UsageError, match=r"--pool .*active is of voices, .* none of the heads kernel pools one here"):
        prepare(plan)


def test_concatenated_faces_may_be_for_the_joint_kernel_alone(tmp_path) -> None:
    faces = tuple(write_cache(tmp_path, TAKES, name=name) for name in ("one", "two"))
    voice = write_cache(tmp_path, TAKES, stream="audio", name="voice")
    plan = FitPlan((voice,), joins=(faces,), heads=("joint-kernel",), protocol="group3", rule=None)
    prepared = prepare(plan)
    assert [(system.stream, len(system.caches)) for system in prepared.systems] == [("av", 3)]


def test_an_option_that_no_head_has_is_named_as_it_was_given() -> None:
    plan = FitPlan((Path("a"),), heads=("attentive",))
    with pytest.raises(UsageError, match="none of the heads attentive has --pool; add a head that has"):
        check_plan(replace(plan, settings={"parts": ("whole", "active")}))
    with pytest.raises(UsageError, match="none of the heads logreg has the setting 'epochs'; add a head"):
        check_plan(replace(plan, heads=("logreg",), settings={"epochs": 3}))
