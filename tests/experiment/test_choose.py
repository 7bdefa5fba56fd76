"""Which caches a head over several streams reads, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.errors import UsageError
from ravfeat.experiment.choose import choose_clips, read_together
from ravfeat.experiment.plan import FitPlan
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, Path]:
    """Two voices and two faces of three people."""
    folder = tmp_path_factory.mktemp("caches")
    takes = [replace(take, performance_id=take.clip_id) for take in actors_and_emotions(actors=3)]
    return {
        name: write_cache(folder, takes, name=name, stream=stream)
        for name, stream in (("voice", "audio"), ("other", "audio"), ("landmarks", "face"), ("expressions", "face"))
    }


def together(paths: dict[str, Path], *names: str, head: str = "joint-kernel", joins: tuple[str, ...] = ()) -> FitPlan:
    return FitPlan(
        tuple(paths[name] for name in names),
        heads=(head,) if not joins else (head, "kernel"),
        joins=(tuple(paths[name] for name in joins),) if joins else (),
    )


def read(plan: FitPlan) -> list[str]:
    *_, last = choose_clips(plan)
    return [str(cache.about["encoder"]) for cache in last.caches]


def test_the_voice_comes_first_and_every_face_after_it(paths) -> None:
    assert read(together(paths, "expressions", "voice")) == ["voice", "expressions"]
    assert read(together(paths, "landmarks", "expressions", "voice")) == ["voice", "landmarks", "expressions"]
    concatenated = together(paths, "voice", joins=("expressions", "landmarks"))
    assert read(concatenated) == ["voice", "expressions", "landmarks"]


def test_a_face_that_is_concatenated_too_is_read_once(paths) -> None:
    plan = together(paths, "voice", "landmarks", joins=("landmarks", "expressions"))
    assert read_together(plan, "joint-kernel") == [paths[name] for name in ("voice", "landmarks", "expressions")]
    assert read_together(plan, "joint") == [paths["voice"], paths["landmarks"]]


def test_a_face_by_two_paths_is_one_face(paths, monkeypatch) -> None:
    monkeypatch.chdir(paths["landmarks"].parent)
    relative = Path(paths["landmarks"].name)
    plan = FitPlan((paths["voice"], relative), joins=((paths["landmarks"], paths["expressions"]),))
    assert read_together(plan, "joint-kernel") == [paths["voice"], relative, paths["expressions"]]


@pytest.mark.parametrize(
    "names", [("voice", "other"), ("landmarks", "expressions"), ("voice", "other", "landmarks")], ids=" ".join
)
def test_one_voice_and_a_face_are_read(names, paths) -> None:
    message = (
        r"the head 'joint-kernel' reads one --cache of each of the streams audio, face, and may read several of face;"
        rf" got\n  (audio|face): .*{names[0]}"
    )
    with pytest.raises(UsageError, match=message):
        choose_clips(together(paths, *names))


def test_two_faces_of_a_head_that_reads_one_of_each_are_refused(paths) -> None:
    with pytest.raises(UsageError, match=r"the head 'joint' reads several streams: give it one --cache of each"):
        choose_clips(together(paths, "voice", "landmarks", "expressions", head="joint"))
