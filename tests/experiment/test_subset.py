"""A run over some clips of a cache: a table lists them, and only they are read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CacheError, CorpusError
from ravfeat.experiment.choose import choose_clips
from ravfeat.experiment.plan import FitPlan
from tests.toycaches import EMOTIONS, Take
from tests.writtencaches import write_cache

TAKES = [
    Take(f"{actor}-{label}", f"c:{actor}", "female", label, np.full((2, 1, 3), actor, np.float32))
    for actor in range(4)
    for label in EMOTIONS[:2]
]
CHOSEN = [take.clip_id for take in TAKES[2:6]]


def table(folder: Path, *clip_ids: str) -> Path:
    path = folder / "some.csv"
    path.write_text("\n".join(["clip_id", *clip_ids, ""]), encoding="utf-8")
    return path


def test_a_table_of_clips_restricts_a_run_to_them(tmp_path: Path) -> None:
    cache = write_cache(tmp_path, TAKES, lost=[TAKES[0].clip_id])
    (chosen,) = choose_clips(FitPlan((cache,), clips=table(tmp_path, *CHOSEN, CHOSEN[0])))
    assert [record.clip_id for record in chosen.clips.records] == CHOSEN
    assert chosen.missing == ()  # another clip lacks, which nobody asked for
    with pytest.raises(CacheError, match=f"lacks 1 of 8 clips: {TAKES[0].clip_id}"):
        choose_clips(FitPlan((cache,), clips=table(tmp_path, TAKES[0].clip_id, *CHOSEN)))


def test_a_cache_that_calls_them_otherwise_gives_the_same_performances(tmp_path: Path) -> None:
    renamed = [replace(take, clip_id=f"x{take.clip_id}", performance_id=take.clip_id) for take in TAKES]
    caches = (write_cache(tmp_path, TAKES), write_cache(tmp_path, renamed, name="other"))
    single, other = choose_clips(FitPlan(caches, clips=table(tmp_path, *CHOSEN), rule=None))
    assert [record.performance_id for record in other.clips.records] == CHOSEN
    (joined,) = choose_clips(FitPlan(joins=(caches,), clips=table(tmp_path, *CHOSEN)))
    assert joined.clips.records == single.clips.records


def test_a_table_of_other_clips_is_refused(tmp_path: Path) -> None:
    cache = write_cache(tmp_path, TAKES)
    with pytest.raises(CorpusError, match=r"some.csv lists 1 clips that belong in none of the caches: nobody"):
        choose_clips(FitPlan((cache,), clips=table(tmp_path, *CHOSEN, "nobody")))
    with pytest.raises(CorpusError, match=r"some.csv lists no clip"):
        choose_clips(FitPlan((cache,), clips=table(tmp_path)))
