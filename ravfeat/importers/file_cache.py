"""What was read from files, kept in memory as far as it fits.

A corpus is walked clip by clip in an order that hops between files, and a file is decoded as a whole:
keeping the last few saves decoding each of them a hundred times.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")

BUDGET = 512_000_000


class Kept(Generic[T]):
    """The most recently used results of ``load``; safe to use from several threads.

    Parameters
    ----------
    load : callable
        Reads one file.
    n_bytes : callable
        Size of what was read.
    budget : int
        Bytes that are kept at most, besides the last file.
    """

    def __init__(self, load: Callable[[str], T], n_bytes: Callable[[T], int], budget: int = BUDGET) -> None:
        self._load = load
        self._n_bytes = n_bytes
        self._budget = budget
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> T:
        """Give what one file holds."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._load(name)
            self._kept.move_to_end(name)
            while len(self._kept) > 1 and sum(map(self._n_bytes, self._kept.values())) > self._budget:
                self._kept.popitem(last=False)
            return self._kept[name]
