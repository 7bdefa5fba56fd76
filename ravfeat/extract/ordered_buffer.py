"""Buffer between reading threads and their consumer: bounded by bytes, emptied clip after clip."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["OrderedBuffer"]

Item = TypeVar("Item")


class OrderedBuffer(Generic[Item]):
    """Items of many numbered writers, for one consumer that takes all of writer 0, then all of writer 1, and so on.

    A writer waits while the buffer is full. Room goes to the lowest waiting number, whose items are needed first. The
    writer whose turn it is may always add an item once all of its items were taken: the consumer waits for it, and the
    other writers may have filled the buffer.

    Parameters
    ----------
    limit : int
        Upper bound of the bytes in the buffer; exceeded by at most one item.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        # A condition for each waiting writer: one for all of them would wake every thread for every item.
        self._waiting: dict[int, threading.Condition] = {}
        self._items: defaultdict[int, deque[tuple[Item | None, int]]] = defaultdict(deque)
        self._n_bytes = 0
        self._turn = 0
        self._closed = False

    @property
    def n_bytes(self) -> int:
        """Bytes in the buffer."""
        return self._n_bytes

    def put(self, writer: int, item: Item, n_bytes: int) -> bool:
        """Add an item, when there is room; False once the buffer is closed, and then nothing is added."""
        return self._put(writer, item, n_bytes)

    def end(self, writer: int) -> None:
        """Mark the end of a writer's items."""
        self._put(writer, None, 0)

    def take_all(self) -> Iterator[Item]:
        """Yield the items of the next writer until its end."""
        while (item := self._take()) is not None:
            yield item
        with self._lock:
            del self._items[self._turn]
            self._turn += 1
            self._wake_first()

    def close(self) -> None:
        """Let all waiting writers go, and refuse further items."""
        with self._lock:
            self._closed = True
            for condition in self._waiting.values():
                condition.notify()

    def _put(self, writer: int, item: Item | None, n_bytes: int) -> bool:
        with self._lock:
            condition = self._waiting[writer] = threading.Condition(self._lock)
            condition.wait_for(lambda: self._closed or self._admits(writer, n_bytes))
            del self._waiting[writer]
            if self._closed:
                return False
            self._items[writer].append((item, n_bytes))
            self._n_bytes += n_bytes
            if writer == self._turn:
                self._arrived.notify()
            self._wake_first()  # there may be room for another one
            return True

    def _admits(self, writer: int, n_bytes: int) -> bool:
        if writer == self._turn and not self._items[writer]:
            return True
        return writer == min(self._waiting) and self._n_bytes + n_bytes <= self._limit

    def _take(self) -> Item | None:
        with self._lock:
            items = self._items[self._turn]
            self._arrived.wait_for(lambda: items)
            item, n_bytes = items.popleft()
            self._n_bytes -= n_bytes
            self._wake_first()
            return item

    def _wake_first(self) -> None:
        if self._waiting:
            self._waiting[min(self._waiting)].notify()
