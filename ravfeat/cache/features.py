"""Read features of a shard directly from the file, without HDF5, from many threads at once.

ravfeat stores features as one contiguous array, so a part of them is a few byte ranges, which `os.preadv` reads
without a lock. Features that another program has chunked or compressed are read through HDF5, one thread at a time.
"""

import mmap
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ShardError

__all__ = ["FetchedFeatures", "Fetcher", "StoredFeatures", "stored_features"]


class Fetcher(Protocol):
    """Brings parts of shards that lie elsewhere into the files of a folder, before they are read there."""

    def head(self, number: int) -> None:
        """Bring all of a shard but its features, checked so far that HDF5 may open it."""
        ...

    def features(self, number: int, positions: Sequence[int], frames: Sequence[slice]) -> None:
        """Bring ranges of frames of some layer positions, verified."""
        ...


class StoredFeatures(Protocol):
    """Features of one shard, (L, F, D).

    Attributes
    ----------
    shape : tuple (L, F, D)
    dtype : numpy.dtype
    offset : int or None
        First byte in the file; None where they are not stored as one contiguous array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        """Read a range of layer positions and of frames into ``out``.

        Parameters
        ----------
        layers, frames : slice
            Positions on the first two axes, without a step.
        out : ndarray of shape (layers, frames, D)
            C-contiguous, in the stored dtype.

        Raises
        ------
        ShardError
            Where the shard has no such frames, or ends before them.
        OSError
            Where the system cannot read the file.
        """
        ...

    def view(self, layers: slice) -> NDArray[Any]:
        """Return layers with all frames; mapped, not copied, where they are contiguous in the file."""
        ...

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        """Ask the system to read ahead: all features, or one layer's frames."""
        ...


def stored_features(path: Path, file: h5py.File) -> StoredFeatures:
    """Open the features of a shard; they stay readable after ``file`` is closed.

    Raises
    ------
    ShardError
        Where the file is shorter than its features.
    """
    dataset = file["features"]
    offset, dtype = dataset.id.get_offset(), dataset.dtype
    elsewhere = dataset.id.get_create_plist().get_external_count()
    # Not every system can read at a position (macOS from version 11 on, Windows never); HDF5 reads everywhere.
    if offset is None or elsewhere or dtype.kind != "f" or len(dataset.shape) != 3 or not hasattr(os, "preadv"):
        return _Hdf5Features(path, dataset)
    handle = int(file.id.get_vfd_handle())
    missing = offset + dataset.nbytes - os.fstat(handle).st_size
    if missing > 0:
        raise ShardError(f"{path} cannot be read (it lacks {missing} bytes); 'ravfeat cache verify {path.parent}'")
    return _Contiguous(path, os.dup(handle), offset, dataset.shape, dtype)


class FetchedFeatures:
    """Features of which every part is brought before it is read.

    Parameters
    ----------
    features : StoredFeatures
    fetch : callable
        Brings a range of layer positions and of frames.
    """

    def __init__(self, features: StoredFeatures, fetch: Callable[[slice, slice], None]) -> None:
        self.shape, self.dtype = features.shape, features.dtype
        self.offset = features.offset
        self._features, self._fetch = features, fetch

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        """Bring a range, and read it; see `StoredFeatures.read`."""
        self._fetch(layers, frames)
        self._features.read(layers, frames, out)

    def view(self, layers: slice) -> NDArray[Any]:
        """Bring layers with all frames, and return them."""
        self._fetch(layers, slice(0, self.shape[1]))
        return self._features.view(layers)

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        """Bring what will be read."""
        self._fetch(layers or slice(0, self.shape[0]), frames or slice(0, self.shape[1]))


class _Contiguous:
    """Features stored as one contiguous array."""

    def __init__(self, path: Path, handle: int, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self.offset: int | None = offset
        self._path, self._handle, self._offset = path, handle, offset
        # Readers may outlive the pool's file and the cache itself; the descriptor is closed with the last of them.
        weakref.finalize(self, os.close, handle)

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        n_layers, n_frames, dim = self.shape
        _check_frames(self._path, frames, n_frames)
        target = out.reshape(-1).view(np.uint8).data
        width = dim * self.dtype.itemsize
        # All frames of neighbouring layers are one byte range; a part of the frames is one range per layer.
        if frames.stop - frames.start == n_frames:
            self._fill(target, self._offset + layers.start * n_frames * width)
            return
        size = (frames.stop - frames.start) * width
        for row, layer in enumerate(range(*layers.indices(n_layers))):
            start = self._offset + (layer * n_frames + frames.start) * width
            self._fill(target[row * size : (row + 1) * size], start)

    def _fill(self, target: memoryview, start: int) -> None:
        # One preadv call returns at most 2 GB, and may return less.
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
        # Accessing a mapped page beyond the end of the file kills the process (SIGBUS), so the size is checked again.
        if first + length > os.fstat(self._handle).st_size:
            raise ShardError(f"{self._path} was cut short; 'ravfeat cache verify {self._path.parent}'")
        before = first % mmap.ALLOCATIONGRANULARITY
        # Copy on write: changing the array does not change the cache.
        mapped = mmap.mmap(self._handle, before + length, access=mmap.ACCESS_COPY, offset=first - before)
        features = np.frombuffer(mapped, self.dtype, offset=before).reshape(layers.stop - layers.start, n_frames, dim)
        # Shards of older versions do not start features on a page boundary, so their elements may be unaligned.
        return features if features.flags.aligned else features.copy()

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


class _Hdf5Features:
    """Features that only HDF5 can read: chunked, compressed, or in external files."""

    def __init__(self, path: Path, dataset: h5py.Dataset) -> None:
        self.shape, self.dtype = dataset.shape, dataset.dtype
        self.offset: int | None = None
        self._path = path
        self._dataset = h5py.File(dataset.file.id.reopen())["features"]  # a second handle: the pool may close the first
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
        """Do nothing: HDF5 does not expose where the chunks are in the file."""


def _check_frames(path: Path, frames: slice, n_frames: int) -> None:
    if not 0 <= frames.start <= frames.stop <= n_frames:
        raise ShardError(
            f"{path} has {n_frames} frames, asked for {frames.start} to {frames.stop}; 'ravfeat cache verify"
            f" {path.parent}'"
        )
