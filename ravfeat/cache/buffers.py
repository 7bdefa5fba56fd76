"""Reuse the memory of clips that are no longer referenced."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClipBuffers"]


class ClipBuffers:
    """Memory for one clip at a time, reused as soon as no array refers to it.

    Allocating fresh memory for every clip costs more than reading the clip: the system has to clear each page.

    Parameters
    ----------
    n_bytes : int
        Size of the largest clip.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._buffers = [np.empty(n_bytes, np.uint8)]
        # Views hold a reference to the array they look into, so a higher count means that a clip is still in use.
        self._unused = sys.getrefcount(self._buffers[0])

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array with undefined values that nobody else refers to."""
        positions = range(len(self._buffers))
        free = next((i for i in positions if sys.getrefcount(self._buffers[i]) == self._unused), None)
        if free is None:
            # A caller that keeps clips keeps their memory too; two buffers are enough for one that does not.
            self._buffers = [*self._buffers[-1:], np.empty(self._n_bytes, np.uint8)]
            free = -1
        return self._buffers[free][: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
