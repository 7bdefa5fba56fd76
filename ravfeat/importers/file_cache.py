"""Least-recently-used cache of decoded files, bounded in bytes.

Clips are read in the order of their ids, which alternates between files, and a file can only be decoded as a
whole: without this cache every file would be decoded once per clip.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["FileCache"]

T = TypeVar("T")

BUDGET = 512_000_000


class FileCache(Generic[T]):
    """The most recently used results of ``load``; safe to use from several threads.

    Parameters
    ----------
    load : callable
        Reads one file, given its name.
    n_bytes : callable
        Size of a loaded value, in bytes.
    budget : int
        Upper bound of the cached bytes. The last file stays even if it alone is larger.
    """

    def __init__(self, load: Callable[[str], T], n_bytes: Callable[[T], int], budget: int = BUDGET) -> None:
        self._load = load
        self._n_bytes = n_bytes
        self._budget = budget
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> T:
        """Return the contents of one file, loading it if needed."""
        # Held while a file is loaded: two threads that need one file must not decode it twice.
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._load(name)
            self._kept.move_to_end(name)
            while len(self._kept) > 1 and sum(map(self._n_bytes, self._kept.values())) > self._budget:
                self._kept.popitem(last=False)
            return self._kept[name]
