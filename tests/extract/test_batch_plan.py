"""Which clips are encoded together."""

import math
import random
from collections.abc import Sequence

import pytest

from ravfeat.encoders.base import Batching, plan_batches
from ravfeat.extract.batch_plan import BatchLimits, plan_shards_batches
from ravfeat.manifest import Clip

Shards = list[list[Clip]]


def clip(number: int, duration_s: float) -> Clip:
    return Clip(f"c{number:04d}", f"p{number}", "a", "", "happy", f"c{number}.wav", duration_s)


def shards(sizes: Sequence[int], *, seed: int = 0, unknown: float = 0.0, lengths: Sequence[float] = ()) -> Shards:
    rng = random.Random(seed)
    numbers = iter(range(sum(sizes)))

    def length() -> float:
        return math.nan if rng.random() < unknown else rng.choice(lengths) if lengths else rng.uniform(2.0, 5.0)

    return [[clip(next(numbers), length()) for _ in range(size)] for size in sizes]


def ids(batches: list[list[Clip]]) -> list[list[str]]:
    return [[member.clip_id for member in batch] for batch in batches]


@pytest.mark.parametrize("batching", ["padded", "equal", "fixed"])
@pytest.mark.parametrize("sizes", [[27] * 9, [1] * 40, [128, 3, 60], [0, 5, 0, 31]])
def test_every_clip_is_in_one_batch_within_the_limits(batching: Batching, sizes: list[int]) -> None:
    limits = BatchLimits(clips=25, seconds=96.0, across_shards=True)
    given = shards(sizes, unknown=0.1, lengths=[2.0, 2.5, 3.0])
    batches = [batch for plan in plan_shards_batches(given, batching, limits) for batch in plan]
    assert sorted(c.clip_id for batch in batches for c in batch) == sorted(c.clip_id for s in given for c in s)
    for batch in batches:
        lengths = [member.duration_s for member in batch]
        assert len(batch) <= 25
        if batching != "fixed":
            assert len(batch) == 1 or len(batch) * max(lengths) <= 96.0
            assert len(batch) == 1 or not any(map(math.isnan, lengths))
        if batching == "equal":
            assert len(batch) == 1 or len(set(lengths)) == 1


@pytest.mark.parametrize("batching", ["padded", "equal", "fixed"])
def test_on_a_processor_every_shard_is_planned_by_itself(batching: Batching) -> None:
    given = shards([27, 30, 5])
    plan = plan_shards_batches(given, batching, BatchLimits())
    for clips, batches in zip(given, plan, strict=True):
        alone = plan_batches([c.duration_s for c in clips], batching, max_clips=8, max_seconds=32.0)
        assert ids(batches) == [[clips[place].clip_id for place in batch] for batch in alone]


def test_a_gpu_gets_no_small_batch_at_the_end_of_every_shard() -> None:
    given = shards([27] * 40)
    gpu = BatchLimits.of("cuda", clips=None, seconds=None, frames=64)
    apart = plan_shards_batches(given, "padded", BatchLimits(gpu.clips, gpu.seconds))
    together = plan_shards_batches(given, "padded", gpu)
    n_apart, n_together = (sum(map(len, plan)) for plan in (apart, together))
    assert n_apart >= 80  # a full batch and a remnant for every shard
    assert n_together <= 27 * 40 * 5.0 / 96 * 1.2 + 1
    small = [batch for plan in together for batch in plan if len(batch) < 10]
    assert len(small) <= 1


def test_a_batch_reaches_no_further_than_the_next_shard_that_has_enough_clips() -> None:
    # The shards of a batch are in memory together.
    given = shards([27] * 40)
    number = {member.clip_id: index for index, shard in enumerate(given) for member in shard}
    for index, batches in enumerate(plan_shards_batches(given, "padded", BatchLimits(32, 96.0, across_shards=True))):
        assert {number[member.clip_id] for batch in batches for member in batch} <= {index, index + 1}


def test_pictures_are_batched_clip_by_clip() -> None:
    given = shards([3, 2])
    plan = plan_shards_batches(given, "pieces", BatchLimits(across_shards=True))
    assert [ids(batches) for batches in plan] == [[["c0000"], ["c0001"], ["c0002"]], [["c0003"], ["c0004"]]]
