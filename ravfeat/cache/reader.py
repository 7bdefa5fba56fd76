"""Reading a cache: numpy, h5py and pyarrow only, no torch, safe in many processes.

Conventions
-----------
Features come out as (T, L, D). ``layers`` are the encoder's layer numbers, not positions; layer 0
is the input to the first block.
"""

import hashlib
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ravfeat.cache.discovery import resolve_cache
from ravfeat.cache.features import StoredFeatures, stored_features
from ravfeat.cache.format import IDENTITY_FILE, MANIFEST_FILE, ClipRecord, fingerprint, shard_file
from ravfeat.cache.index import read_index, read_sums
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.shard import UNREADABLE, ShardHeader, check_version, foreign, read_header
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import canonical_json, sha256_of
from ravfeat.manifest import Manifest

__all__ = ["Cache", "ShardBlock", "open_cache"]

_OPEN_FILES = 16
_OF_ONE_PROCESS = frozenset({"_files", "_lock", "_process"})


@dataclass(frozen=True)
class ShardBlock:
    """Stored features of one shard.

    Attributes
    ----------
    clips : tuple of ClipRecord
        In the order of their frames.
    features : ndarray of shape (L, F, D)
        In the stored dtype.
    """

    clips: tuple[ClipRecord, ...]
    features: NDArray[Any]


@dataclass(frozen=True)
class _Place:
    shard: int
    frame_start: int
    n_frames: int


@dataclass(frozen=True)
class _OpenShard:
    file: h5py.File
    features: StoredFeatures


class Cache:
    """A cache open for reading; make one with `open_cache`.

    Attributes
    ----------
    path : Path
    identity : dict
        What this is the cache of: weights digest, layers, preprocessing, store, dtype, view …
    about : dict
        ``corpus``, ``stream``, ``encoder``, ``synthetic``.
    layers : tuple of int
        Stored layer numbers.
    statistics : tuple of str
        Empty for frames; ``("mean", "std")`` for a pooled cache of voices.
    frame_stride : int
        Encoder frames that were averaged to one stored frame.
    dim : int
        Width of the last axis.
    dtype : numpy.dtype
        As stored, float16 or float32.
    clip_ids : tuple of str
        Stored clips, sorted.
    failed : dict of str to str
        Clips that could not be stored, with the reason.

    Examples
    --------
    >>> cache = ravfeat.open_cache("cache")          # doctest: +SKIP
    >>> cache["03-01-06-01-02-01-12"].shape           # (T, L, D)  # doctest: +SKIP
    (183, 25, 1024)
    """

    def __init__(self, path: Path, planned: PlannedManifest) -> None:
        self.path = path
        self._planned = planned
        index = read_index(path)
        self._digests = {number: shard.metadata_sha256 for number, shard in index.items()}
        self._places: dict[str, _Place] = {}
        self.failed: dict[str, str] = {}
        for shard in index.values():
            for row in shard.rows:
                if row["status"] == "stored":
                    self._places[row["clip_id"]] = _Place(row["shard"], row["frame_start"], row["n_frames"])
                else:
                    self.failed[row["clip_id"]] = row["reason"]
        by_shard: dict[int, set[str]] = {}
        for clip_id, place in self._places.items():
            by_shard.setdefault(place.shard, set()).add(clip_id)
        self._by_shard = {number: frozenset(clip_ids) for number, clip_ids in by_shard.items()}
        if not index:
            raise CacheError(f"{path} has no shard yet; run 'ravfeat extract' to fill it")
        self.shards: tuple[int, ...] = tuple(index)
        self.clip_ids: tuple[str, ...] = tuple(sorted(self._places))
        header = read_header(path / shard_file(self.shards[0]))
        self.identity: dict[str, Any] = dict(header.identity)
        self.about: dict[str, Any] = dict(header.about)
        self.layers: tuple[int, ...] = tuple(self.identity["layers"])
        self.statistics: tuple[str, ...] = tuple(self.identity["statistics"])
        self.frame_stride: int = int(self.identity["frame_stride"])
        self.dim: int = header.shape[2]
        self.dtype: np.dtype[Any] = np.dtype(header.dtype)
        self._forget_files()

    def __repr__(self) -> str:
        return f"<Cache {self.path} ({len(self)} clips, layers {self.layers[0]}-{self.layers[-1]}, dim {self.dim})>"

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._places

    def __getitem__(self, clip_id: str) -> NDArray[Any]:
        """Read one clip, shape (T, L, D), in the stored dtype."""
        return self.read([clip_id])[0]

    def __getstate__(self) -> dict[str, Any]:
        # Open HDF5 handles must not travel into another process.
        return {name: value for name, value in self.__dict__.items() if name not in _OF_ONE_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_files()

    def _forget_files(self) -> None:
        self._files: OrderedDict[int, _OpenShard] = OrderedDict()
        self._lock = threading.RLock()
        self._process = os.getpid()

    @property
    def fingerprint(self) -> str:
        """The identity's fingerprint."""
        return fingerprint(self.identity)

    @property
    def classes(self) -> tuple[str, ...]:
        """The corpus's label set."""
        return self._planned.manifest.classes

    @property
    def planned_manifest(self) -> Manifest:
        """What belongs in this cache."""
        return self._planned.manifest

    @property
    def manifest(self) -> pa.Table:
        """What belongs in this cache, one row per clip (an Arrow table)."""
        return self._planned.table()

    @property
    def missing(self) -> tuple[str, ...]:
        """Clips of the manifest that are not stored, failed ones included."""
        return tuple(clip.clip_id for clip in self._planned.manifest if clip.clip_id not in self._places)

    def n_frames(self, clip_id: str) -> int:
        """Count the stored frames of a clip."""
        return self._place(clip_id).n_frames

    def times(self, clip_id: str) -> NDArray[np.float64]:
        """Time of every frame of a clip, in seconds from its start; shape (T,)."""
        place = self._place(clip_id)
        with self._open(place.shard) as file:
            return np.asarray(file["frames/time_s"][place.frame_start : place.frame_start + place.n_frames])

    def columns(self, clip_id: str) -> dict[str, NDArray[np.float32]]:
        """Read what else is known of every frame of a clip, by name.

        Returns
        -------
        dict of str to ndarray of shape (T,) or (T, n)
            For faces ``box``, ``confidence`` and ``found``; see ``cache/README.md``.
        """
        place = self._place(clip_id)
        own = slice(place.frame_start, place.frame_start + place.n_frames)
        with self._open(place.shard) as file:
            return {name: file["frames"][name][own] for name in file["frames"] if name != "time_s"}

    def all_columns(self) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
        """Go through what `columns` gives of every clip, in the order of the files, each of them read once."""
        places = sorted(self._places.items(), key=lambda one: (one[1].shard, one[1].frame_start))
        number, columns = -1, {}
        for clip_id, place in places:
            if place.shard != number:
                number = place.shard
                with self._open(number) as file:
                    columns = {name: file["frames"][name][...] for name in file["frames"] if name != "time_s"}
            own = slice(place.frame_start, place.frame_start + place.n_frames)
            yield clip_id, {name: values[own] for name, values in columns.items()}

    def read(self, clip_ids: Iterable[str], *, layers: Sequence[int] | None = None) -> list[NDArray[Any]]:
        """Read clips.

        Parameters
        ----------
        clip_ids : iterable of str
        layers : sequence of int, optional
            Layer numbers; default all that are stored. Only these are read from the disk.

        Returns
        -------
        list of ndarray of shape (T, L, D)
            In the order asked for.

        Raises
        ------
        CacheError
            For a clip or layer that is not stored.
        """
        runs = self._layer_runs(layers)
        return [self._read_clip(self._place(clip_id), runs) for clip_id in clip_ids]

    def iter(
        self, clip_ids: Iterable[str] | None = None, *, layers: Sequence[int] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Go through clips one by one, by default all of them in the order of the files.

        The memory of a clip that nobody refers to any more is used again: the system takes longer to give
        new memory than to read.
        """
        in_order = clip_ids is None
        if clip_ids is None:
            clip_ids = sorted(self._places, key=lambda i: (self._places[i].shard, self._places[i].frame_start))
        runs, shard = self._layer_runs(layers), -1
        n_layers = sum(run.stop - run.start for run in runs)
        longest = max((place.n_frames for place in self._places.values()), default=0)
        buffers = _Buffers(longest * n_layers * self.dim * self.dtype.itemsize)
        for clip_id in clip_ids:
            place = self._place(clip_id)
            if in_order and layers is None and place.shard != shard:
                shard = place.shard
                self.features(shard).expect()
            yield clip_id, self._read_clip(place, runs, buffers)

    def read_shard(self, number: int, *, layers: Sequence[int] | None = None) -> ShardBlock:
        """Read one whole shard into memory of its own; `map_shard` is faster."""
        runs = self._layer_runs(layers)
        header = self.header(number)
        features = self.features(number)
        return ShardBlock(header.clips, self._read(number, features, runs, slice(0, features.shape[1])))

    def map_shard(self, number: int, *, layers: Sequence[int] | None = None) -> ShardBlock:
        """Give one shard with its features where they lie in the file, read when they are looked at.

        The array is copy-on-write: what is changed in it is not changed in the cache. It stays valid when the
        cache is closed or the shard replaced. Neighbouring layers in ascending order are a view; for other
        choices, and for features that another program has chunked or compressed, it is memory of its own.
        A file that is cut short *later* ends the process that looks at it: map what nobody changes in place.

        Raises
        ------
        ShardError
            Where the shard is damaged, shorter than its features, or was replaced since the cache was opened.
        """
        runs = self._layer_runs(layers)
        if len(runs) > 1:
            return self.read_shard(number, layers=layers)
        header = self.header(number)
        with self.blaming(number):
            return ShardBlock(header.clips, self.features(number).view(runs[0]))

    def header(self, number: int) -> ShardHeader:
        """Read and check one shard's metadata.

        Raises
        ------
        ShardError
            Where it is damaged, belongs to another cache, or was replaced since the cache was opened.
        """
        path = self.path / shard_file(number)
        header = read_header(path)
        if what := foreign(header, self.fingerprint, self._planned.manifest.corpus):
            raise ShardError(f"{path} {what}; move it away and run 'ravfeat cache rebuild-index {self.path}'")
        self._check_unchanged(number, header.metadata_sha256)
        return header

    def _check_unchanged(self, number: int, metadata_sha256: str) -> None:
        if metadata_sha256 != self._digests.get(number):
            raise ShardError(
                f"{self.path / shard_file(number)} is not the file that the index was made from; if an extraction has"
                f" just replaced it, open the cache again, otherwise run 'ravfeat cache rebuild-index {self.path}'"
            )

    def records(self) -> dict[str, ClipRecord]:
        """Read what the shards themselves say of every stored clip (not the index, not the manifest)."""
        return {clip.clip_id: clip for number in self.shards for clip in self.header(number).clips}

    def content_sha256(self) -> str:
        """Give the digest of what is stored: who acted each clip, what, the recording's digest and the features'.

        It is read from the shards' metadata, and does not depend on how clips are dealt into shards.
        """
        kept = ("clip_id", "performance_id", "actor", "gender", "label", "input_sha256", "features_sha256")
        rows = [[getattr(record, name) for name in kept] for _, record in sorted(self.records().items())]
        return hashlib.sha256(canonical_json(rows).encode()).hexdigest()

    def close(self) -> None:
        """Close open files; the cache can still be read afterwards."""
        if self._process == os.getpid():
            with self._lock:
                while self._files:
                    self._files.popitem()[1].file.close()
        else:
            self._forget_files()

    def _place(self, clip_id: str) -> _Place:
        try:
            return self._places[clip_id]
        except KeyError:
            why = f"; it failed: {self.failed[clip_id]}" if clip_id in self.failed else ""
            raise CacheError(f"clip '{clip_id}' is not stored in {self.path}{why}") from None

    def features(self, number: int) -> StoredFeatures:
        """Open a shard's features, for reading parts of them; safe in many threads, and after `close`.

        Raises
        ------
        ShardError
            Where it is damaged or was replaced since the cache was opened.
        """
        with self._lend(number) as shard:
            return shard.features

    @contextmanager
    def _open(self, number: int) -> Iterator[h5py.File]:
        """Lend a shard's file to one thread; what goes wrong while it reads is the shard's fault."""
        with self._lend(number) as shard:
            yield shard.file

    @contextmanager
    def _lend(self, number: int) -> Iterator[_OpenShard]:
        if self._process != os.getpid():
            self._forget_files()  # handles inherited through fork give wrong data; leave them to the parent
        with self._lock, self.blaming(number):
            if number not in self._files:
                self._files[number] = self._open_file(number, self.path / shard_file(number))
            self._files.move_to_end(number)
            yield self._files[number]

    @contextmanager
    def blaming(self, number: int) -> Iterator[None]:
        """Turn what goes wrong while a shard is read into a `ShardError` that names it."""
        try:
            yield
        except UNREADABLE as error:
            path = self.path / shard_file(number)
            raise ShardError(f"{path} cannot be read ({error}); 'ravfeat cache verify {self.path}'") from error

    def _open_file(self, number: int, path: Path) -> _OpenShard:
        while len(self._files) >= _OPEN_FILES:
            self._files.popitem(last=False)[1].file.close()
        file = h5py.File(path, "r", locking=False)
        try:
            check_version(path, file)
            self._check_unchanged(number, str(file.attrs["metadata_sha256"]))
            return _OpenShard(file, stored_features(path, file))
        except BaseException:
            file.close()
            raise

    def _read_clip(self, place: _Place, runs: Sequence[slice], buffers: "_Buffers | None" = None) -> NDArray[Any]:
        frames = slice(place.frame_start, place.frame_start + place.n_frames)
        block = self._read(place.shard, self.features(place.shard), runs, frames, buffers)
        return block.transpose(1, 0, 2)  # (L, T, D) -> (T, L, D)

    def _read(
        self,
        number: int,
        features: StoredFeatures,
        runs: Sequence[slice],
        frames: slice,
        buffers: "_Buffers | None" = None,
    ) -> NDArray[Any]:
        n_layers = sum(run.stop - run.start for run in runs)
        shape = (n_layers, frames.stop - frames.start, features.shape[-1])
        block = np.empty(shape, features.dtype) if buffers is None else buffers.take(shape, features.dtype)
        with self.blaming(number):
            start = 0
            for run in runs:
                stop = start + run.stop - run.start
                features.read(run, frames, block[start:stop])
                start = stop
        return block

    def clips_of(self, number: int) -> frozenset[str]:
        """Ids of the clips that a shard holds, as the index says."""
        return self._by_shard.get(number, frozenset())

    def positions(self, layers: Sequence[int] | None) -> list[int]:
        """Give where layers lie on the first axis of the stored features; None means all.

        Raises
        ------
        CacheError
            For no layer, or one that is not stored.
        """
        if layers is None:
            return list(range(len(self.layers)))
        if not len(layers):
            raise CacheError(f"no layers asked for; {self.path} has {list(self.layers)}")
        positions = {layer: position for position, layer in enumerate(self.layers)}
        if wrong := [layer for layer in layers if layer not in positions]:
            raise CacheError(f"layers {wrong} are not stored in {self.path}; it has {list(self.layers)}")
        return [positions[layer] for layer in layers]

    def _layer_runs(self, layers: Sequence[int] | None) -> list[slice]:
        runs: list[slice] = []
        for position in self.positions(layers):
            if runs and runs[-1].stop == position:
                runs[-1] = slice(runs[-1].start, position + 1)
            else:
                runs.append(slice(position, position + 1))
        return runs


class _Buffers:
    """Memory for one clip at a time, used again as soon as no array refers to it.

    Parameters
    ----------
    n_bytes : int
        Of the largest clip.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._kept = [np.empty(n_bytes, np.uint8)]
        self._unused = sys.getrefcount(self._kept[0])  # of what only the list refers to

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give an array that nobody else has, its values undefined."""
        places = range(len(self._kept))
        place = next((i for i in places if sys.getrefcount(self._kept[i]) == self._unused), None)
        if place is None:
            self._kept = [*self._kept[-1:], np.empty(self._n_bytes, np.uint8)]  # the others are somebody's now
            place = -1
        return self._kept[place][: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)


def open_cache(path: str | Path) -> Cache:
    """Open a cache for reading.

    Parameters
    ----------
    path : str or Path
        A cache folder, or a folder that holds exactly one.

    Raises
    ------
    CacheError
        Where there is no such cache, or its manifest or index is damaged.
    """
    folder = resolve_cache(Path(path))
    sums = read_sums(folder)
    for name in (MANIFEST_FILE, IDENTITY_FILE):
        if (folder / name).is_file() and sums.get(name) != sha256_of(folder / name):
            raise CacheError(f"{folder / name} does not match its digest in SHA256SUMS; it is damaged or was changed")
    return Cache(folder, read_planned(folder / MANIFEST_FILE))
