"""Run independent jobs in parallel threads, with one arithmetic thread each.

The arrays of one job are too small to share between threads: on two cores, two threads inside one
product are slower than one, and many times slower when the machine is busy. Whole jobs share well.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from ravfeat.progress import track_progress
from ravfeat.resources import attempt, processors

__all__ = ["map_jobs", "on_processors", "one_thread_each"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@contextmanager
def one_thread_each() -> Iterator[ThreadPoolExecutor]:
    """Give a pool with a thread for each processor, whose linear algebra starts no further threads."""
    before = torch.get_num_threads()

    def settle() -> None:
        torch.set_num_threads(1)

    # `threadpool_limits` holds for NumPy's linear algebra, `settle` for torch's, thread by thread.
    with threadpool_limits(1), ThreadPoolExecutor(max_workers=processors(), initializer=settle) as pool:
        settle()
        try:
            yield pool
        finally:
            torch.set_num_threads(before)


def on_processors(work: Callable[[_In], _Out], items: Iterable[_In], device: torch.device) -> list[_Out]:
    """Apply ``work`` to every item, side by side on processors, one after another on a GPU; results in order."""
    if device.type != "cpu":
        return list(map(work, items))
    with one_thread_each() as pool:
        return list(pool.map(work, items))


def map_jobs(work: Callable[[_In], _Out], jobs: Sequence[_In], desc: str) -> list[_Out]:
    """Apply ``work`` to every job, side by side; results in order.

    Jobs for which there is not enough memory beside others are done again, one by one.
    """
    with one_thread_each() as pool:
        tried = pool.map(lambda job: attempt(lambda: work(job)), jobs)
        results = list(track_progress(tried, total=len(jobs), desc=desc, unit="fit", leave=False))
        # In a thread of the pool, as the others: the same bits.
        return [
            pool.submit(work, job).result() if isinstance(result, MemoryError) else result
            for job, result in zip(jobs, results, strict=True)
        ]
