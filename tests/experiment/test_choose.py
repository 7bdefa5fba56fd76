"""Which caches a head over several streams reads, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.errors import CorpusError, UsageError
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


def test_labels_are_found_by_path_file_name_or_stem(paths, tmp_path) -> None:
    (clips,) = choose_clips(FitPlan((paths["voice"],)))
    ids = [record.clip_id for record in clips.clips.records]
    written = [f"/data/{clip_id}.wav" if n % 3 == 0 else f"{clip_id}.flac" for n, clip_id in enumerate(ids)]
    rows = [f"{name},{'ab'[n % 2]}" for n, name in enumerate(written)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    (labelled,) = choose_clips(FitPlan((paths["voice"],), labels=tmp_path / "labels.csv"))
    assert [record.label for record in labelled.clips.records] == ["ab"[n % 2] for n in range(len(ids))]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, f"{written[1]},b", f"{written[1]},c"]))
    with pytest.raises(CorpusError, match=rf"labels clip '{ids[1]}' twice, as 'b' and as 'c'"):
        choose_clips(FitPlan((paths["voice"],), labels=tmp_path / "labels.csv"))


def test_labels_on_a_scale_are_not_trained_on(paths, tmp_path) -> None:
    (clips,) = choose_clips(FitPlan((paths["voice"],)))
    rows = [f"{record.clip_id},{n / 4}" for n, record in enumerate(clips.clips.records)]
    (tmp_path / "labels.csv").write_text("\n".join(["clip_id,label", *rows]))
    with pytest.raises(CorpusError, match=r"the labels are .* numbers.*: classification only; map it to classes"):
        choose_clips(FitPlan((paths["voice"],), labels=tmp_path / "labels.csv"))


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
