"""Caches, alone and concatenated, under a protocol."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.errors import CacheError, CorpusError, LeakError, UsageError
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.systems import open_systems
from ravfeat.protocols.named import get_protocol
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

RAVDESS6 = get_protocol("ravdess6")


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions()


@pytest.fixture(scope="module")
def pair(takes, tmp_path_factory) -> tuple[Path, Path]:
    """Two face caches; the second calls its clips otherwise, in the opposite order."""
    folder = tmp_path_factory.mktemp("pair")
    renamed = [replace(take, clip_id=f"x{999 - i}", performance_id=take.clip_id) for i, take in enumerate(takes)]
    return write_cache(folder, takes), write_cache(folder, renamed, name="other")


def test_a_join_is_named_after_its_encoders_and_knows_every_caches_clips(pair, takes) -> None:
    alone, joined = open_systems(FitPlan(pair[:1], joins=(pair,)), RAVDESS6)
    assert (alone.features, alone.concatenated) == ("toy", False)
    assert (joined.features, joined.concatenated, joined.stream) == ("toy+other", True, "face")
    assert joined.clip_ids[0] == tuple(take.clip_id for take in takes)
    assert joined.clip_ids[1] == tuple(f"x{999 - i}" for i in range(len(takes)))
    assert [fold.test.tolist() for fold in joined.folds] == [fold.test.tolist() for fold in alone.folds]


def test_the_record_of_a_join_lists_both_caches(pair) -> None:
    (system,) = open_systems(FitPlan(joins=(pair,)), RAVDESS6)
    about = system.about()
    assert [one["path"] for one in about["joined"]] == [str(path) for path in pair]
    assert [one["features"] for one in about["joined"]] == ["toy", "other"]
    assert all(one["identity"]["weights"] == one["features"] for one in about["joined"])
    assert about["fingerprint"] == "+".join(path.name[-12:] for path in pair)
    assert (about["features"], about["stream"], about["clips"], about["missing"]) == ("toy+other", "face", 96, [])


def test_joined_caches_of_one_encoder_are_told_apart(takes, tmp_path) -> None:
    paths = tuple(write_cache(tmp_path, takes, pooled=names) for names in ((), ("mean", "std", "speed")))
    (system,) = open_systems(FitPlan(joins=(paths,)), RAVDESS6)
    assert system.features == "+".join(f"toy-{path.name[-12:]}" for path in paths)


def test_a_clip_that_is_not_stored_is_an_error_or_left_out_and_recorded(takes, pair, tmp_path) -> None:
    gappy = write_cache(tmp_path, takes, name="gappy", lost=["03-01"])
    with pytest.raises(CacheError, match="lacks 1 of 96 clips: 03-01"):
        open_systems(FitPlan(joins=((pair[0], gappy),)), RAVDESS6)
    (system,) = open_systems(FitPlan(joins=((pair[0], gappy),), allow_missing=True), RAVDESS6)
    assert system.missing == ("03-01",)
    assert "03-01" not in system.clip_ids[0]
    assert len(system.clip_ids[0]) == len(system.clips.records) == 95


def test_one_recording_under_two_actors_is_found_in_every_joined_cache(takes, pair, tmp_path) -> None:
    torn = [replace(take, features=takes[0].features) if take is takes[-1] else take for take in takes]
    other = write_cache(tmp_path, torn, name="torn")
    with pytest.raises(LeakError, match=r"recording '[0-9a-f]{16}…' is in"):
        open_systems(FitPlan(joins=((pair[0], other),)), RAVDESS6)


def test_labels_of_a_join_are_those_of_its_first_cache(pair, takes, tmp_path) -> None:
    lines = [f"{take.clip_id},{'loud' if take.label in {'angry', 'happy'} else 'still'}" for take in takes[4:]]
    lines += [f"{take.clip_id}," for take in takes[:4]]
    (tmp_path / "labels.csv").write_text("\n".join(["clip_id,label", *lines]), encoding="utf-8")
    (system,) = open_systems(FitPlan(joins=(pair,), labels=tmp_path / "labels.csv"), get_protocol("group6"))
    assert system.clips.classes == ("loud", "still")
    assert (len(system.clip_ids[0]), len(system.clip_ids[1])) == (92, 92)
    assert system.clip_ids[1][0] == "x995"  # the fifth take


def test_one_join_twice_is_refused(pair) -> None:
    with pytest.raises(UsageError, match=r".* and .* are concatenated twice; name every --concat once"):
        open_systems(
            FitPlan(
                joins=(
                    pair,
                    pair,
                )
            ),
            RAVDESS6,
        )


def test_a_cache_with_one_person_in_two_spellings_is_not_trained_on(takes, tmp_path) -> None:
    person = takes[0].actor
    other = person.replace(":0", ":").replace(":", ":00")
    twice = [replace(take, actor=other) if at == 0 else take for at, take in enumerate(takes)]
    path = write_cache(tmp_path, twice)
    with pytest.raises(CorpusError, match=r"has one actor in several spellings: .* \(1 clip\)"):
        open_systems(FitPlan((path,)), get_protocol("group4"))
    name = person.partition(":")[2]
    assert len(open_systems(FitPlan((path,), as_written=(name,)), get_protocol("group4"))) == 1
