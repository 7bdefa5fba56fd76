"""The features of one open shard, read past HDF5: by any number of threads at once, at the speed of the file.

What ravfeat writes lies in the file as one array, so that a part of it is a few ranges of bytes. Features that
somebody else has chunked or compressed go through HDF5, one reader at a time.
"""

import mmap
import os
import threading
import weakref
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ShardError

__all__ = ["StoredFeatures", "stored_features"]


class StoredFeatures(Protocol):
    """Features of one shard, (L, F, D).

    Attributes
    ----------
    shape : tuple (L, F, D)
    dtype : numpy.dtype
    offset : int or None
        Where they begin in the file; None where they do not lie there as one array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        """Read positions on the first two axes into ``out``, C-contiguous, of their shape and the stored dtype.

        Raises
        ------
        ShardError
            Where the shard has no such frames, or ends before them.
        OSError
            As the system gives it.
        """
        ...

    def view(self, layers: slice) -> NDArray[Any]:
        """Give layers with all frames: without a copy where they lie in the file as they are."""
        ...

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        """Tell the system that they, or one layer's frames, will be read soon."""
        ...


def stored_features(path: Path, file: h5py.File) -> StoredFeatures:
    """Give the features of an open shard; they stay readable when ``file`` is closed.

    Raises
    ------
    ShardError
        Where the file is shorter than its features.
    """
    dataset = file["features"]
    offset, dtype = dataset.id.get_offset(), dataset.dtype
    elsewhere = dataset.id.get_create_plist().get_external_count()
    if offset is None or elsewhere or dtype.kind != "f" or len(dataset.shape) != 3:
        return _ThroughHdf5(path, dataset)
    handle = int(file.id.get_vfd_handle())
    missing = offset + dataset.nbytes - os.fstat(handle).st_size
    if missing > 0:
        raise ShardError(f"{path} cannot be read (it lacks {missing} bytes); 'ravfeat cache verify {path.parent}'")
    return _Contiguous(path, os.dup(handle), offset, dataset.shape, dtype)


class _Contiguous:
    """Features that lie in the file as one array."""

    def __init__(self, path: Path, handle: int, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self.offset: int | None = offset
        self._path, self._handle, self._offset = path, handle, offset
        weakref.finalize(self, os.close, handle)  # with the last reader, whoever that is

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        n_layers, n_frames, dim = self.shape
        _check_frames(self._path, frames, n_frames)
        target = out.reshape(-1).view(np.uint8).data
        width = dim * self.dtype.itemsize
        if frames.stop - frames.start == n_frames:
            self._fill(target, self._offset + layers.start * n_frames * width)
            return
        size = (frames.stop - frames.start) * width
        for row, layer in enumerate(range(*layers.indices(n_layers))):
            start = self._offset + (layer * n_frames + frames.start) * width
            self._fill(target[row * size : (row + 1) * size], start)

    def _fill(self, target: memoryview, start: int) -> None:
        # A single call gives at most 2 GB.
        while len(target):
            n = os.preadv(self._handle, [target], start)
            if not n:
                raise ShardError(
                    f"{self._path} cannot be read (it ends at byte {start}, expected {start + len(target)});"
                    f" 'ravfeat cache verify {self._path.parent}'"
                )
            target, start = target[n:], start + n

    def view(self, layers: slice) -> NDArray[Any]:
        _, n_frames, dim = self.shape
        size = n_frames * dim * self.dtype.itemsize
        first, length = self._offset + layers.start * size, (layers.stop - layers.start) * size
        # Reading beyond the end of a mapped file kills the process, so it is looked at once more.
        if first + length > os.fstat(self._handle).st_size:
            raise ShardError(f"{self._path} was cut short; 'ravfeat cache verify {self._path.parent}'")
        before = first % mmap.ALLOCATIONGRANULARITY
        # Copy on write: whoever changes the array changes nothing in the cache.
        mapped = mmap.mmap(self._handle, before + length, access=mmap.ACCESS_COPY, offset=first - before)
        found = np.frombuffer(mapped, self.dtype, offset=before).reshape(layers.stop - layers.start, n_frames, dim)
        # Of shards that were written before features lay on the boundary of a page.
        return found if found.flags.aligned else found.copy()

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        if not hasattr(os, "posix_fadvise"):
            return
        start, length = self._offset, int(np.prod(self.shape)) * self.dtype.itemsize
        if layers is not None and frames is not None:
            _, n_frames, dim = self.shape
            width = dim * self.dtype.itemsize
            start += (layers.start * n_frames + frames.start) * width
            length = (frames.stop - frames.start) * width
        os.posix_fadvise(self._handle, start, length, os.POSIX_FADV_WILLNEED)


class _ThroughHdf5:
    """Features in chunks, compressed, or in other files."""

    def __init__(self, path: Path, dataset: h5py.Dataset) -> None:
        self.shape, self.dtype = dataset.shape, dataset.dtype
        self.offset: int | None = None
        self._path = path
        self._dataset = h5py.File(dataset.file.id.reopen())["features"]  # stays open when the file is closed
        self._lock = threading.Lock()

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        _check_frames(self._path, frames, self.shape[1])
        if out.size:
            with self._lock:
                self._dataset.read_direct(out, np.s_[layers, frames])

    def view(self, layers: slice) -> NDArray[Any]:
        with self._lock:
            return np.asarray(self._dataset[layers])

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        """HDF5 does not say where they lie."""


def _check_frames(path: Path, frames: slice, n_frames: int) -> None:
    if not 0 <= frames.start <= frames.stop <= n_frames:
        raise ShardError(
            f"{path} has {n_frames} frames, asked for {frames.start} to {frames.stop}; 'ravfeat cache verify"
            f" {path.parent}'"
        )
