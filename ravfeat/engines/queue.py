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
    """

    def __init__(self, plan: WorkPlan, workers: int, *, at_once: bool = False) -> None:
        self._left = [deque(cache.to_do) for cache in plan.caches]
        self._share = 1 if at_once else 2
        self._workers = workers
        self._to_begin = workers if at_once else 0
        self._alone: deque[tuple[int, int]] = deque()
        self._deaths: Counter[tuple[int, int]] = Counter()
        self.given_up: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._alone) or any(self._left)

    def take(self) -> ShardNumbers:
        """Remove and return the next shards; neighbours, because batches may cross from a shard to the next."""
        if not any(self._left):
            return self._single(*self._alone.popleft())
        # Half of an equal part: runs get shorter, so that all workers end at about the same time.
        parts = max(1, self._to_begin) if self._share == 1 else self._share * self._workers
        self._to_begin -= 1
        return tuple(tuple(left.popleft() for _ in range(-(-len(left) // parts))) for left in self._left)

    def _single(self, cache: int, shard: int) -> ShardNumbers:
        return tuple((shard,) if place == cache else () for place in range(len(self._left)))

    def died(self, numbers: ShardNumbers, is_done: Callable[[int, int], bool]) -> None:
        """Put the shards that a dead worker has not written back, each alone; give up those that killed too many."""
        for cache, shards in enumerate(numbers):
            for shard in shards:
                if is_done(cache, shard):
                    continue
                self._deaths[cache, shard] += 1
                if self._deaths[cache, shard] < MAX_DEATHS:
                    self._alone.append((cache, shard))
                else:
                    self.given_up.append((cache, shard))
