"""Independent jobs side by side, one thread of linear algebra each.

The products of one job are too narrow to share between threads: on two cores, two threads inside
one product are slower than one, and several times slower when the machine is busy. Whole jobs
share well.

Offers
------
map_jobs.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

__all__ = ["map_jobs"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_jobs(work: Callable[[_In], _Out], jobs: Sequence[_In], desc: str) -> list[_Out]:
    """Apply ``work`` to every job, on as many threads as there are processors; results in order."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=processors) as pool:
        done = pool.map(work, jobs)
        return list(tqdm(done, total=len(jobs), desc=desc, unit="fit", disable=None, leave=False))
