"""Plan which clips are encoded together, from the planned lengths alone.

Rounding inside a batch depends on its members. So the plan never depends on which shards are already written, how
the work is divided, or which other encoders run: this makes a resumed cache equal to an uninterrupted one.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ravfeat.encoders.base import Batching, plan_batches
from ravfeat.manifest import Clip

__all__ = ["BatchLimits", "plan_shards_batches"]


@dataclass(frozen=True)
class BatchLimits:
    """Upper bounds of a batch.

    Attributes
    ----------
    clips : int
        Clips, for encoders of whole clips.
    seconds : float
        Total length of a batch, padding included.
    frames : int
        Frames (pictures), for encoders of pieces.
    across_shards : bool
        Whether the last batch of a shard is filled with clips of the next one.
    """

    clips: int = 8
    seconds: float = 32.0
    frames: int = 64
    across_shards: bool = False

    @classmethod
    def of(cls, device: str, *, clips: int | None, seconds: float | None, frames: int) -> "BatchLimits":
        """Use the given limits, and defaults of the device where they are None.

        One clip is enough work for a processor; a GPU needs many frames at once, and a small last batch of every
        shard would leave it idle: a shard of WavLM-large holds about 27 clips.
        """
        gpu = device.startswith("cuda")
        usual = cls(clips=32, seconds=96.0) if gpu else cls()
        return cls(clips or usual.clips, seconds or usual.seconds, frames, across_shards=gpu)


def plan_shards_batches(
    shards: Sequence[Sequence[Clip]], batching: Batching, limits: BatchLimits
) -> list[list[list[Clip]]]:
    """Plan the batches of consecutive shards.

    Parameters
    ----------
    shards : sequence of sequence of Clip
        Planned clips of each shard.
    batching : {"padded", "equal", "fixed", "pieces"}
        See `ravfeat.encoders.base.Batching`. Pieces are batched as they come, so each clip stands alone here.
    limits : BatchLimits

    Returns
    -------
    list of list of list of Clip
        The batches of each shard, every clip exactly once. A batch with clips of several shards is listed with the
        first of them.
    """
    if batching == "pieces":
        return [[[clip] for clip in clips] for clips in shards]
    plan: list[list[list[Clip]]] = []
    moved: set[str] = set()  # clips that a batch of an earlier shard has taken
    for number, shard in enumerate(shards):
        clips = [clip for clip in shard if clip.clip_id not in moved]
        durations = [clip.duration_s for clip in clips]
        places = plan_batches(durations, batching, max_clips=limits.clips, max_seconds=limits.seconds)
        batches = [[clips[place] for place in batch] for batch in places]
        if limits.across_shards and batches:
            following = (shards[later] for later in range(number + 1, len(shards)))
            moved |= {clip.clip_id for clip in _fill(batches[-1], following, batching, limits)}
        plan.append(batches)
    return plan


def _fill(
    batch: list[Clip], following: Iterable[Sequence[Clip]], batching: Batching, limits: BatchLimits
) -> list[Clip]:
    """Extend the last batch of a shard with clips of the shards after it; return these clips."""
    added: list[Clip] = []
    for shard in following:
        # The last batch of a shard holds its shortest clips, so the shortest clips of the next shard need the least
        # padding beside them.
        order = shard if batching == "fixed" else sorted(shard, key=_shortest_first)
        for clip in order:
            if not _fits(batch, clip, batching, limits):
                return added
            batch.append(clip)
            added.append(clip)
    return added


def _shortest_first(clip: Clip) -> tuple[bool, float]:
    return math.isnan(clip.duration_s), clip.duration_s  # unknown lengths last: NaN cannot be sorted


def _fits(batch: Sequence[Clip], clip: Clip, batching: Batching, limits: BatchLimits) -> bool:
    durations = [*(member.duration_s for member in batch), clip.duration_s]
    if len(durations) > limits.clips or any(map(math.isnan, durations)):  # a clip of unknown length goes alone
        return False
    if batching == "fixed":
        return True
    return len(durations) * max(durations) <= limits.seconds and (
        batching == "padded" or min(durations) == max(durations)
    )
