"""The plan of a cache: which clips are in which shard, and the digest over both."""

import hashlib
import math
from dataclasses import replace
from typing import Any

from ravfeat.cache.manifest import PlannedManifest
from ravfeat.files import canonical_json
from ravfeat.manifest import Clip, Manifest

CLIPS = tuple(
    Clip(f'{number} "\\', f"take {number}", "c:ü", "", ("calm", "sad")[number % 2], f"{number}.wav", duration_s)
    for number, duration_s in enumerate([1.5, math.nan, 0.0, 2, 1e-7, 3.25])
)


def planned(*numbers: int) -> PlannedManifest:
    manifest = Manifest("c", ("calm", "sad"), CLIPS)
    return PlannedManifest(manifest, dict(zip((clip.clip_id for clip in CLIPS), numbers, strict=True)))


def test_the_digest_is_that_of_the_canonical_json() -> None:
    rows = [
        [c.clip_id, c.performance_id, c.actor, c.gender, c.label, c.path,
         None if math.isnan(c.duration_s) else float(c.duration_s)]
        for c in CLIPS
    ]  # fmt: skip
    about = {"corpus": "c", "classes": ["calm", "sad"], "synthetic": False, "clips": rows, "shard": [0, 0, 1, 1, 2, 2]}
    assert planned(0, 0, 1, 1, 2, 2).sha256 == hashlib.sha256(canonical_json(about).encode()).hexdigest()


def test_further_columns_are_in_the_digest_under_their_names() -> None:
    clips = [replace(clip, further={"session": 1.0}) for clip in CLIPS[:1]]
    plan = PlannedManifest(Manifest("c", ("calm", "sad"), clips), {CLIPS[0].clip_id: 0})
    c = CLIPS[0]
    rows = [[c.clip_id, c.performance_id, c.actor, c.gender, c.label, c.path, 1.5, 1.0]]
    about: dict[str, Any] = {"corpus": "c", "classes": ["calm", "sad"], "synthetic": False, "clips": rows, "shard": [0]}
    about["columns"] = ["further/session"]
    assert plan.sha256 == hashlib.sha256(canonical_json(about).encode()).hexdigest()


def test_shards_give_their_clips_also_where_a_corpus_has_grown() -> None:
    for numbers in ((0, 0, 1, 1, 2, 2), (2, 0, 1, 0, 2, 1)):
        plan = planned(*numbers)
        assert plan.numbers == (0, 1, 2)
        assert {number: plan.clips_of(number) for number in plan.numbers} == {
            number: tuple(clip for clip, shard in zip(CLIPS, numbers, strict=True) if shard == number)
            for number in plan.numbers
        }
        assert [plan.count(number) for number in (0, 1, 2, 3)] == [2, 2, 2, 0]
        assert plan.clips_of(3) == ()
        assert dict(plan.shards) == dict(zip((clip.clip_id for clip in CLIPS), numbers, strict=True))
