"""Clips that a run is about: by a condition, by classes, by the table that was given last."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.corpora.labels import narrowed_said
from ravfeat.errors import CorpusError, UsageError
from ravfeat.experiment.choose import choose_clips
from ravfeat.experiment.narrow import narrowed_record
from ravfeat.experiment.plan import FitPlan
from tests.toycaches import EMOTIONS, Take
from tests.writtencaches import write_cache

TAKES = [
    Take(f"{actor}-{label}", f"c:{actor}", "female", label, np.full((2, 1, 3), actor, np.float32))
    for actor in range(4)
    for label in EMOTIONS
]
SESSIONS = {take.clip_id: {"session": float(take.clip_id[0]) // 2} for take in TAKES}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("narrow"), TAKES, further=SESSIONS)


def table(folder: Path, text: str) -> Path:
    path = folder / "classes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_condition_keeps_clips_and_classes_that_have_none_left_go(cache) -> None:
    (chosen,) = choose_clips(FitPlan((cache,), where=f"session == 1 and label != '{EMOTIONS[0]}'"))
    assert {record.actor for record in chosen.clips.records} == {"c:2", "c:3"}
    assert set(chosen.clips.classes) == {*EMOTIONS[1:]}
    assert chosen.narrowed == {"--where": 10}
    assert chosen.missing == ()


def test_labels_become_classes_after_the_condition_which_sees_labels(cache, tmp_path) -> None:
    first, second, third, last = EMOTIONS
    classes = table(tmp_path, f"label,class\n{last},x\n{first},y\n{second},x\n")
    plan = FitPlan((cache,), where=f"label != '{third}'", label_map=classes)
    (chosen,) = choose_clips(plan)
    assert chosen.clips.classes == ("x", "y")
    assert [record.label for record in chosen.clips.records if record.actor == "c:0"].count("x") == 2
    assert chosen.narrowed == {"--where": 4, "--label-map": 0}
    record = narrowed_record(plan, chosen.narrowed, chosen.clips.records)
    assert record["labels"] == {"x": 8, "y": 4}
    assert narrowed_said(record) == (
        f"Clips used: 12 where label != '{third}', classes by classes.csv (SHA-256"
        f" {record['label_map_sha256'][:12]}…): x 8, y 4; left out: 4 by --where."
    )
    assert narrowed_record(FitPlan((cache,)), {}, chosen.clips.records) == {}


def test_several_caches_are_narrowed_alike_and_a_value_may_be_in_one_of_them(cache, tmp_path) -> None:
    fewer = write_cache(tmp_path, TAKES[:12], name="other", further=SESSIONS)
    plan = FitPlan((cache, fewer), where="actor != 3", allow_missing=True, heads=("logreg",))
    whole, other = choose_clips(plan)
    assert [r.clip_id for r in whole.clips.records] == [r.clip_id for r in other.clips.records]
    assert (whole.narrowed, other.narrowed) == ({"--where": 4}, {"--where": 0})


def test_a_condition_that_keeps_nothing_or_one_class_is_refused(cache) -> None:
    with pytest.raises(UsageError, match=r"it keeps none of 16 clips"):
        choose_clips(FitPlan((cache,), where="session == 1 and actor == 0"))
    with pytest.raises(CorpusError, match="has clips of 1 class; a head needs at least two"):
        choose_clips(FitPlan((cache,), where=f"label == '{EMOTIONS[0]}'"))
    with pytest.raises(UsageError, match=r"no column 'room'; there is clip_id, .*session"):
        choose_clips(FitPlan((cache,), where="room == 1"))


def test_clips_that_were_not_given_last_are_left_out_and_do_not_count_as_missing(tmp_path) -> None:
    lost = TAKES[3].clip_id
    cache = write_cache(tmp_path, TAKES, lost=[lost])
    (chosen,) = choose_clips(FitPlan((cache,), absent=(lost, TAKES[0].clip_id, "of another cache")))
    assert len(chosen.clips.records) == len(TAKES) - 2
    assert (chosen.missing, chosen.narrowed) == ((), {"the table extracted last": 1})


def test_a_cache_that_calls_them_otherwise_leaves_out_the_same_performances(tmp_path) -> None:
    renamed = [Take(f"x{t.clip_id}", t.actor, t.gender, t.label, t.features, t.clip_id) for t in TAKES]
    caches = (write_cache(tmp_path, TAKES), write_cache(tmp_path, renamed, name="other"))
    one, other = choose_clips(FitPlan(caches, absent=(TAKES[0].clip_id,)))
    assert len(one.clips.records) == len(other.clips.records) == len(TAKES) - 1
    assert one.narrowed == other.narrowed == {"the table extracted last": 1}


def test_a_table_of_clips_and_the_last_table_are_told_apart(cache, tmp_path) -> None:
    clips = tmp_path / "some.csv"
    clips.write_text("\n".join(["clip_id", *(take.clip_id for take in TAKES[:8])]))
    (chosen,) = choose_clips(FitPlan((cache,), clips=clips, absent=(TAKES[0].clip_id,)))
    assert len(chosen.clips.records) == 7
    assert chosen.narrowed == {"the table extracted last": 1, "--clips": 8}
