"""Pool of open shard files: bounded in number, shared by threads, reopened in every new process."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from ravfeat.cache.features import FetchedFeatures, Fetcher, StoredFeatures, stored_features
from ravfeat.cache.format import shard_file
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.places import ClipPlaces, shard_places
from ravfeat.cache.shard import UNREADABLE, check_file
from ravfeat.errors import ShardError

__all__ = ["FilePool", "OpenFile", "check_unchanged", "reading_shard"]

_MAX_OPEN = 16  # far below the system's limit of open files, which other parts of the process need too


@dataclass(frozen=True)
class OpenFile:
    """A shard open for reading.

    Attributes
    ----------
    file : h5py.File
    features : StoredFeatures
        Stay readable after ``file`` is closed.
    """

    file: h5py.File
    features: StoredFeatures


class FilePool:
    """The shard files of one cache, opened on demand; the least recently used one is closed first.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    index : mapping of int to IndexedShard
    places : ClipPlaces
        Where the index says that clips lie; compared with what every shard says itself.
    fetcher : Fetcher, optional
        Brings what the files lack.
    """

    def __init__(
        self, folder: Path, index: Mapping[int, IndexedShard], places: ClipPlaces, fetcher: Fetcher | None = None
    ) -> None:
        self._folder = folder
        self._fetcher = fetcher
        self._index = index
        self._places = places
        self._reset()

    def __len__(self) -> int:
        return len(self._files)

    def __getstate__(self) -> dict[str, Any]:
        # Open HDF5 files cannot be pickled, and must not reach another process.
        names = ("_folder", "_index", "_places", "_fetcher")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        self._files: OrderedDict[int, OpenFile] = OrderedDict()
        self._lock = threading.RLock()
        self._process = os.getpid()

    @contextmanager
    def lend(self, number: int) -> Iterator[OpenFile]:
        """Lend a shard's file to one thread; errors while it reads become a `ShardError`.

        Raises
        ------
        ShardError
            Where the shard is damaged or was replaced since the cache was opened.
        """
        if self._process != os.getpid():
            # After a fork, parent and child share the file position and HDF5's own state, and read wrong data. The
            # child opens files of its own; it does not close the inherited ones, which are the parent's. The lock is
            # new as well: a thread that held it in the parent does not exist in the child.
            self._reset()
        # HDF5 is not thread-safe, so the file stays locked while it is lent. Features are read outside of HDF5.
        with self._lock, reading_shard(self._folder, number):
            if number not in self._files:
                self._files[number] = self._open(number)
            self._files.move_to_end(number)
            yield self._files[number]

    def close(self) -> None:
        """Close all files; they are opened again when needed."""
        if self._process != os.getpid():
            self._reset()
            return
        with self._lock:
            while self._files:
                self._files.popitem()[1].file.close()

    def _open(self, number: int) -> OpenFile:
        while len(self._files) >= _MAX_OPEN:
            self._files.popitem(last=False)[1].file.close()
        path = self._folder / shard_file(number)
        if self._fetcher is not None:
            self._fetcher.head(number)
        check_unchanged(path, self._index.get(number))
        # Without HDF5's own lock: shards are never changed in place, and some network file systems refuse locks.
        file = h5py.File(path, "r", locking=False)
        try:
            check_file(path, file)
            if shard_places(file, number) != self._places.of_shard(number):
                raise ShardError(
                    f"{path} holds other clips than the index says; 'ravfeat cache rebuild-index {self._folder}' makes"
                    " it anew"
                )
            return OpenFile(file, self._fetched(number, stored_features(path, file)))
        except BaseException:
            file.close()
            raise

    def _fetched(self, number: int, features: StoredFeatures) -> StoredFeatures:
        if (fetcher := self._fetcher) is None:
            return features
        n_layers = features.shape[0]

        def fetch(layers: slice, frames: slice) -> None:
            fetcher.features(number, range(*layers.indices(n_layers)), [frames])

        return FetchedFeatures(features, fetch)


@contextmanager
def reading_shard(folder: Path, number: int) -> Iterator[None]:
    """Convert errors of the block, which reads a shard, into a `ShardError` that names the file."""
    try:
        yield
    except UNREADABLE as error:
        path = folder / shard_file(number)
        raise ShardError(f"{path} cannot be read ({error}); 'ravfeat cache verify {folder}'") from error


def check_unchanged(path: Path, indexed: IndexedShard | None) -> None:
    """Compare what HDF5 interprets of a shard with its digest in the index.

    Raises
    ------
    ShardError
        Where they differ: the shard is damaged, or was replaced after the cache was opened.
    """
    if not path.exists():
        raise ShardError(f"{path} is missing; run the same 'ravfeat extract' again to make it")
    if indexed is None or not indexed.matches(path):
        raise ShardError(
            f"{path} is not the file that the index was made from; if an extraction has just replaced it, open the"
            f" cache again, otherwise 'ravfeat cache verify {path.parent}' says what is damaged"
        )
