"""A sorted column of texts that is searched by bisection: a million names without a Python object for each."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import eq
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["SortedTexts"]

_CHUNK = 1 << 14
"""Texts that are Python objects at a time while all are iterated."""


class SortedTexts(Sequence[str]):
    """Texts in ascending order, as Python compares them.

    Parameters
    ----------
    texts : pyarrow.Array or pyarrow.ChunkedArray
        Of strings, sorted, without nulls.

    Examples
    --------
    >>> names = SortedTexts(pa.array(["ann", "bob"]))
    >>> names[1], names.find("bob"), names.find("eve")
    ('bob', 1, -1)
    """

    def __init__(self, texts: pa.Array | pa.ChunkedArray) -> None:
        # Large: offsets of 64 bits, so that any number of texts is one array. Arrow's order of UTF-8 is Python's.
        large = texts.cast(pa.large_string())
        self.array: pa.Array = large.combine_chunks() if isinstance(large, pa.ChunkedArray) else large
        _, offsets, data = self.array.buffers()
        count = len(self.array)
        places = np.frombuffer(offsets, np.int64, count + 1, 8 * self.array.offset) if count else np.zeros(1, np.int64)
        self._offsets, self._bytes = places.data, memoryview(data or b"")

    def __reduce__(self) -> tuple[type, tuple[pa.Array]]:
        return type(self), (self.array,)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _CHUNK):
            yield from self.array.slice(start, _CHUNK).to_pylist()

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self.array.take(np.arange(len(self))[place]).to_pylist())
        return str(self.array[range(len(self))[place]].as_py())

    def __contains__(self, text: object) -> bool:
        return self.find(text) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SortedTexts):
            return bool(self.array.equals(other.array))
        return isinstance(other, Sequence) and len(other) == len(self) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))  # that of the tuple which it is equal to

    def __add__(self, other: Iterable[str]) -> tuple[str, ...]:
        return (*self, *other)

    def __radd__(self, other: Iterable[str]) -> tuple[str, ...]:
        return (*other, *self)

    def __repr__(self) -> str:
        return f"<{len(self)} texts>"

    def find(self, text: object) -> int:
        """Return the place of a text, -1 where it is not there."""
        try:
            wanted = text.encode() if isinstance(text, str) else None
        except UnicodeEncodeError:  # half of a surrogate pair, which no column holds
            return -1
        if wanted is None:
            return -1
        place = bisect_left(range(len(self)), wanted, key=self._at)
        return place if place < len(self) and self._at(place) == wanted else -1

    def places(self, texts: pa.Array | pa.ChunkedArray | Iterable[str]) -> NDArray[np.int64]:
        """Return the places of many texts, -1 for those that are not there; shape (N,)."""
        wanted: Any = texts
        if not isinstance(texts, pa.Array | pa.ChunkedArray):
            listed = list(texts)
            try:
                wanted = pa.array(listed, pa.string())
            except (UnicodeEncodeError, pa.ArrowException):  # something among them that no column holds
                return np.array([self.find(text) for text in listed], np.int64)
        places = pc.index_in(wanted.cast(pa.large_string()), value_set=self.array)
        return np.asarray(pc.fill_null(places, -1), np.int64)

    def _at(self, place: int) -> bytes:
        return bytes(self._bytes[self._offsets[place] : self._offsets[place + 1]])
