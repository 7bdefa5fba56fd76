"""Divide shards among workers: runs of neighbours at first, single ones where a worker died."""

from collections import Counter, deque
from collections.abc import Callable

from ravfeat.extract.work_plan import ShardNumbers, WorkPlan

__all__ = ["MAX_DEATHS", "ShardQueue"]

MAX_DEATHS = 3
"""A shard that so many workers died with is given up."""


class ShardQueue:
    """Shards that no worker has.

    Parameters
    ----------
    plan : WorkPlan
    workers : int
    at_once : bool
        Whether each worker gets its whole part at once.

    Attributes
    ----------
    given_up : list of (int, int)
        Cache and number of every shard that was given up.
    """

    def __init__(self, plan: WorkPlan, workers: int, *, at_once: bool = False) -> None:
        self._left = [deque(cache.to_do) for cache in plan.caches]
        self._at_once = at_once
        self._workers = workers
        self._alone: deque[tuple[int, int]] = deque()
        self._deaths: Counter[tuple[int, int]] = Counter()
        self.given_up: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._alone) or any(self._left)

    def take(self, idle: int) -> ShardNumbers:
        """Remove and return the next shards; neighbours, because batches may cross from a shard to the next.

        Parameters
        ----------
        idle : int
            Workers that wait for shards, with the one that gets these.
        """
        if not any(self._left):
            return self._single(*self._alone.popleft())
        # Half of an equal part: runs get shorter, so that all workers end at about the same time.
        parts = idle if self._at_once else 2 * self._workers
        return tuple(tuple(left.popleft() for _ in range(-(-len(left) // parts))) for left in self._left)

    def _single(self, cache: int, shard: int) -> ShardNumbers:
        return tuple((shard,) if place == cache else () for place in range(len(self._left)))

    def died(self, numbers: ShardNumbers, is_done: Callable[[int, int], bool]) -> None:
        """Put the shards that a dead worker has not written back; the first of each cache, alone, as it is suspected.

        Shards are written in order, so it was under way. Where another one was to blame, its turn comes: every death
        makes one shard go alone, and only what goes alone dies three times.
        """
        for cache, shards in enumerate(numbers):
            missing = [shard for shard in shards if not is_done(cache, shard)]
            self._left[cache] = deque(sorted([*self._left[cache], *missing[1:]]))
            for shard in missing[:1]:
                self._deaths[cache, shard] += 1
                if self._deaths[cache, shard] < MAX_DEATHS:
                    self._alone.append((cache, shard))
                else:
                    self.given_up.append((cache, shard))
