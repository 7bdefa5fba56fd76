"""Read a cache with numpy, h5py and pyarrow; no torch, safe in many threads and processes.

Conventions
-----------
Features are returned as (T, L, D). ``layers`` are the encoder's layer numbers, not positions; layer 0
is the input to the first block.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.buffers import ClipBuffers
from ravfeat.cache.columns import attribute_number
from ravfeat.cache.discovery import resolve_cache
from ravfeat.cache.features import Fetcher, StoredFeatures
from ravfeat.cache.file_pool import FilePool, check_unchanged, reading_shard
from ravfeat.cache.format import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    ClipRecord,
    features_sha256,
    fingerprint,
    layers_sha256,
    shard_file,
    shard_number,
)
from ravfeat.cache.index import read_sums
from ravfeat.cache.indexed_clips import IndexedClips, as_ids
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.places import ClipPlace, contiguous_runs
from ravfeat.cache.schemas import read_identity
from ravfeat.cache.shard import ShardHeader, foreign, read_header
from ravfeat.errors import CacheError, ShardError
from ravfeat.feature_names import stored_names
from ravfeat.files import sha256_of
from ravfeat.model_origin import ModelOrigin, check_origin
from ravfeat.short_repr import short_repr

__all__ = ["Cache", "ShardBlock", "open_cache"]


@short_repr
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


class Cache(IndexedClips, Mapping[str, NDArray[Any]]):
    """A cache open for reading: a mapping of clip ids, sorted, to features; make one with `open_cache`.

    Attributes
    ----------
    path : Path
    identity : dict
        Everything that determines the features: weights digest, layers, preprocessing, store, dtype, view …
    about : dict
        ``corpus``, ``stream``, ``encoder``, ``synthetic``.
    source : ModelOrigin
        Where the encoder came from, and what it takes to load it again, as far as the first shard says it.
    layers : tuple of int
        Stored layer numbers.
    statistics : tuple of str
        Empty for frames; ``("mean", "std")`` for a pooled cache of voices.
    frame_stride : int
        Encoder frames that were averaged to one stored frame.
    dim : int
        Width of the last axis.
    feature_names : tuple of str
        Names of the last axis, as far as the first shard knows them; else empty. See `ravfeat.feature_names`.
    dtype : numpy.dtype
        As stored, float16 or float32.
    clip_ids : sequence of str
        Stored clips, sorted: a `ravfeat.texts.SortedTexts`.
    failed : dict of str to str
        Clips that could not be stored, with the reason.

    Examples
    --------
    >>> cache = ravfeat.open_cache("cache")          # doctest: +SKIP
    >>> cache["03-01-06-01-02-01-12"].shape           # (T, L, D)  # doctest: +SKIP
    (183, 25, 1024)
    """

    def __init__(self, path: Path, planned: PlannedManifest, fetcher: Fetcher | None = None) -> None:
        super().__init__(path, planned)
        self._fetcher = fetcher
        self._files = FilePool(path, self._index, self._places, fetcher)
        self._records: dict[int, dict[str, ClipRecord]] = {}
        # The first shard stands for all: `header` compares the fingerprint of every other shard that is read.
        if fetcher is not None:
            fetcher.head(self.shards[0])
        check_unchanged(first := path / shard_file(self.shards[0]), self._index[self.shards[0]])
        header = read_header(first)
        self.identity: dict[str, Any] = dict(header.identity)
        self.about: dict[str, Any] = dict(header.about)
        self.source: ModelOrigin = check_origin(header.source, f"{first}, source", ShardError, "extract it again")
        self._check_header(first, header)
        self.layers: tuple[int, ...] = tuple(self.identity["layers"])
        self.statistics: tuple[str, ...] = tuple(self.identity["statistics"])
        self.frame_stride: int = int(self.identity["frame_stride"])
        self.dim: int = header.shape[2]
        self.feature_names: tuple[str, ...] = stored_names(header.feature_names, self.statistics)
        self.dtype: np.dtype[Any] = np.dtype(header.dtype)

    def __repr__(self) -> str:
        return f"<Cache {self.path} ({len(self)} clips, layers {self.layers[0]}-{self.layers[-1]}, dim {self.dim})>"

    # A cache is equal to itself: a mapping would read all features to compare them.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, clip_id: str) -> NDArray[Any]:
        """Read one clip, shape (T, L, D), in the stored dtype."""
        return self.read([clip_id])[0]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the clip ids, as every mapping; `iter` gives the features as well, in the order of the files."""
        return iter(self.clip_ids)

    @property
    def fingerprint(self) -> str:
        """The identity's fingerprint."""
        return fingerprint(self.identity)

    def times(self, clip_id: str) -> NDArray[np.float64]:
        """Time of every frame of a clip, in seconds from its start; shape (T,)."""
        place = self._place(clip_id)
        with self._files.lend(place.shard) as shard:
            return np.asarray(shard.file["frames/time_s"][place.frames])

    def columns(self, clip_id: str) -> dict[str, NDArray[np.float32]]:
        """Read the additional values of every frame of a clip, by name.

        Returns
        -------
        dict of str to ndarray of shape (T,) or (T, n)
            For faces ``box``, ``confidence`` and ``found``; see ``cache/README.md``.
        """
        place = self._place(clip_id)
        with self._files.lend(place.shard) as shard:
            frames = shard.file["frames"]
            return {name: frames[name][place.frames] for name in frames if name != "time_s"}

    def all_columns(self) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
        """Yield every clip's `columns` in the order of the files; each shard is read once."""
        # In the order of the files, so that the columns of one shard are in memory at a time.
        number, columns = -1, {}
        for clip_id in self._places.in_file_order():
            place = self._place(clip_id)
            if place.shard != number:
                number = place.shard
                with self._files.lend(number) as shard:
                    frames = shard.file["frames"]
                    columns = {name: frames[name][...] for name in frames if name != "time_s"}
            yield clip_id, {name: values[place.frames] for name, values in columns.items()}

    def read(
        self, clip_ids: Iterable[str], *, layers: int | Sequence[int] | None = None, verify: bool = False
    ) -> list[NDArray[Any]]:
        """Read clips; their digests are checked only with ``verify``.

        Parameters
        ----------
        clip_ids : iterable of str
            One that is given by itself is a list of one.
        layers : int or sequence of int, optional
            Layer numbers; default all that are stored. Only these are read from the disk.
        verify : bool
            Whether to hold what was read against its digests. Training always does (`ravfeat fit-heads`), and so does
            ``ravfeat cache verify``. Where shards have format version 1, all layers are read for it.

        Returns
        -------
        list of ndarray of shape (T, L, D)
            In the order asked for.

        Raises
        ------
        CacheError
            For a clip or layer that is not stored.
        ShardError
            Where a clip does not match its digests.
        """
        positions = self.positions(layers)
        runs = contiguous_runs(positions)
        clip_ids = as_ids(clip_ids)
        self.fetch(clip_ids, layers)
        clips = [self._read_clip(self._place(clip_id), runs) for clip_id in clip_ids]
        if verify:
            for clip_id, clip in zip(clip_ids, clips, strict=True):
                self._verify(clip_id, positions, clip)
        return clips

    def fetch(self, clip_ids: Iterable[str], layers: int | Sequence[int] | None = None) -> None:
        """Bring what `read` would read of a cache that lies elsewhere, with few requests; nothing else happens.

        Raises
        ------
        RavfeatError
            As `read`, and where it cannot be brought.
        """
        if self._fetcher is None:
            return
        frames: dict[int, list[slice]] = {}
        for clip_id in as_ids(clip_ids):
            place = self._place(clip_id)
            frames.setdefault(place.shard, []).append(place.frames)
        for number, ranges in sorted(frames.items()):
            self._fetcher.features(number, self.positions(layers), ranges)

    def iter(
        self, clip_ids: Iterable[str] | None = None, *, layers: int | Sequence[int] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Iterate over clips, by default all of them in the order of the files.

        The memory of a clip is reused as soon as nothing refers to it, see `ravfeat.cache.buffers`.
        """
        in_order = clip_ids is None
        if clip_ids is None:
            clip_ids = self._places.in_file_order()
        runs, shard = contiguous_runs(self.positions(layers)), -1
        n_layers = sum(run.stop - run.start for run in runs)
        # Buffers as large as the longest clip fit every clip, so memory is taken once or twice in all.
        longest = int(self._places.places[:, 2].max(initial=0))
        buffers = ClipBuffers(longest * n_layers * self.dim * self.dtype.itemsize)
        for clip_id in [clip_ids] if isinstance(clip_ids, str) else clip_ids:
            place = self._place(clip_id)
            if in_order and place.shard != shard:
                shard = place.shard
                self.fetch(sorted(self.clips_of(shard)), layers)
                if layers is None:
                    self.features(shard).expect()  # all of it will be read: let the system read ahead
            yield clip_id, self._read_clip(place, runs, buffers)

    def read_shard(self, number: int, *, layers: int | Sequence[int] | None = None) -> ShardBlock:
        """Read one whole shard into new memory; `map_shard` is faster."""
        runs = contiguous_runs(self.positions(layers))
        header = self.header(number)
        features = self.features(number)
        return ShardBlock(header.clips, self._read(number, features, runs, slice(0, features.shape[1])))

    def map_shard(self, number: int, *, layers: int | Sequence[int] | None = None) -> ShardBlock:
        """Return one shard with its features mapped into memory: pages are read from the file when accessed.

        The array is copy-on-write: changes to it do not reach the cache. It stays valid when the cache is
        closed or the shard replaced. Consecutive ascending layers are mapped; other choices of layers, and
        features that another program has chunked or compressed, are read into new memory. If the file is
        truncated *later*, accessing the array kills the process (SIGBUS): map only files that are never
        changed in place.

        Raises
        ------
        ShardError
            Where the shard is damaged, shorter than its features, or was replaced since the cache was opened.
        """
        runs = contiguous_runs(self.positions(layers))
        # Layers that are not neighbours are no single range of bytes, and only that can be mapped.
        if len(runs) > 1:
            return self.read_shard(number, layers=layers)
        header = self.header(number)
        with self.reading_shard(number):
            return ShardBlock(header.clips, self.features(number).view(runs[0]))

    def header(self, number: int) -> ShardHeader:
        """Read and check one shard's metadata.

        Raises
        ------
        ShardError
            Where it is damaged, belongs to another cache, or was replaced since the cache was opened.
        """
        path = self.path / shard_file(number)
        if self._fetcher is not None:
            self._fetcher.head(number)
        check_unchanged(path, self._index.get(number))
        header = read_header(path)
        self._check_header(path, header)
        return header

    def _check_header(self, path: Path, header: ShardHeader) -> None:
        """Hold a shard against its name, the index and the manifest."""
        if problem := foreign(header, self.fingerprint, self._planned.manifest.corpus):
            raise ShardError(f"{path} {problem}; move it away and run 'ravfeat cache rebuild-index {self.path}'")
        verify = f"'ravfeat cache verify {self.path}' says what is damaged"
        if header.number != shard_number(path):
            raise ShardError(f"{path} is shard {header.number} under another name; {verify}")
        if (indexed := self._index[header.number]).metadata_sha256 != header.metadata_sha256:
            raise ShardError(
                f"{path} has not the metadata_sha256 {indexed.metadata_sha256[:12]}… of the index; {verify}"
            )
        start, stop = self._places.range_of(header.number)
        if len(header.clips) != stop - start or not self._content.is_of(header.clips, start):
            raise ShardError(
                f"{path} holds other clips than the index says; 'ravfeat cache rebuild-index {self.path}' makes it anew"
            )
        labels = {clip.label for clip in header.clips} | {clip.label for clip in header.failed}
        if wrong := sorted(labels - set(self.classes)):
            raise ShardError(f"{path} has the label '{wrong[0]}', the manifest knows {list(self.classes)}; {verify}")

    def shard_formats(self, numbers: Sequence[int] | None = None) -> list[tuple[int, bool]]:
        """Read the format's version of shards, by default of all, and whether they have digests of every layer."""
        formats = []
        for number in self.shards if numbers is None else numbers:
            with self._files.lend(number) as shard:
                formats.append((attribute_number(shard.file, "version"), "layers_sha256" in shard.file["clips"]))
        return formats

    def records(self, clip_ids: Collection[str] | None = None) -> dict[str, ClipRecord]:
        """Read the records of stored clips from the shards themselves, not from index or manifest.

        Parameters
        ----------
        clip_ids : collection of str, optional
            By default all. Only the shards of these are read; those that are not stored are left out.
        """
        if clip_ids is None:
            return {clip.clip_id: clip for number in self.shards for clip in self.header(number).clips}
        clip_ids = as_ids(clip_ids)
        by_shard = self.by_shard(clip_ids).items()
        return {clip.clip_id: clip for n, ids in by_shard for clip in self.header(n).clips if clip.clip_id in ids}

    def close(self) -> None:
        """Close open files; the cache can still be read afterwards."""
        self._files.close()

    def features(self, number: int) -> StoredFeatures:
        """Open a shard's features, for reading parts of them; safe in many threads, and after `close`.

        Raises
        ------
        ShardError
            Where it is damaged or was replaced since the cache was opened.
        """
        with self._files.lend(number) as shard:
            return shard.features

    def reading_shard(self, number: int) -> AbstractContextManager[None]:
        """Convert errors of a ``with`` block that reads a shard into a `ShardError` that names it."""
        return reading_shard(self.path, number)

    def _read_clip(self, place: ClipPlace, runs: Sequence[slice], buffers: ClipBuffers | None = None) -> NDArray[Any]:
        block = self._read(place.shard, self.features(place.shard), runs, place.frames, buffers)
        return block.transpose(1, 0, 2)  # (L, T, D) -> (T, L, D)

    def _verify(self, clip_id: str, positions: Sequence[int], clip: NDArray[Any]) -> None:
        place = self._place(clip_id)
        record = self._records_of(place.shard)[clip_id]
        if record.layers_sha256:
            digests = layers_sha256(clip.transpose(1, 0, 2))  # (T, L, D) -> (L, T, D), as stored
            intact = digests == tuple(record.layers_sha256[position] for position in positions)
        else:
            block = self._read(place.shard, self.features(place.shard), [slice(0, len(self.layers))], place.frames)
            intact = features_sha256(block) == record.features_sha256
        if not intact:
            raise ShardError(
                f"clip '{clip_id}' in {self.path / shard_file(place.shard)} is damaged: it does not match its digest;"
                f" 'ravfeat cache verify {self.path}' says what to do"
            )

    def _records_of(self, number: int) -> dict[str, ClipRecord]:
        if number not in self._records:
            self._records[number] = {clip.clip_id: clip for clip in self.header(number).clips}
        return self._records[number]

    def _read(
        self,
        number: int,
        features: StoredFeatures,
        runs: Sequence[slice],
        frames: slice,
        buffers: ClipBuffers | None = None,
    ) -> NDArray[Any]:
        n_layers = sum(run.stop - run.start for run in runs)
        shape = (n_layers, frames.stop - frames.start, features.shape[-1])
        block = np.empty(shape, features.dtype) if buffers is None else buffers.take(shape, features.dtype)
        with self.reading_shard(number):
            # Neighbouring layers lie side by side in the file, so a run of them is one read.
            start = 0
            for run in runs:
                stop = start + run.stop - run.start
                features.read(run, frames, block[start:stop])
                start = stop
        return block

    def positions(self, layers: int | Sequence[int] | None) -> list[int]:
        """Return the positions of layers on the first axis of the stored features; None means all.

        Raises
        ------
        CacheError
            For no layer, or one that is not stored.
        """
        if layers is None:
            return list(range(len(self.layers)))
        if isinstance(layers, str):
            raise CacheError(f"layers='{layers}' is a text: expected numbers, such as 6, [6, 7] or range(6, 13)")
        if isinstance(layers, int | np.integer):
            layers = [int(layers)]
        if not len(layers):
            raise CacheError(f"no layers asked for; {self.path} has {list(self.layers)}")
        # A cache of layers 6 to 12 has layer 6 at position 0.
        positions = {layer: position for position, layer in enumerate(self.layers)}
        if wrong := [layer for layer in layers if layer not in positions]:
            raise CacheError(f"layers {wrong} are not stored in {self.path}; it has {list(self.layers)}")
        return [positions[layer] for layer in layers]


def open_cache(path: str | Path, *, fetcher: Fetcher | None = None) -> Cache:
    """Open a cache for reading.

    Parameters
    ----------
    path : str or Path
        A cache folder, or a folder that holds exactly one.
    fetcher : Fetcher, optional
        Brings what the shards in the folder lack, see `ravfeat.remote.reading`.

    Raises
    ------
    CacheError
        Where there is no such cache, or its manifest or index is damaged.
    """
    folder = resolve_cache(Path(path))
    sums = read_sums(folder)
    for name in (MANIFEST_FILE, IDENTITY_FILE):
        # Only the small files: the digest of a shard would mean to read it all. Clips are checked when they are read
        # verified.
        if (folder / name).is_file() and sums.get(name) != sha256_of(folder / name):
            raise CacheError(f"{folder / name} does not match its digest in SHA256SUMS; it is damaged or was changed")
    cache = Cache(folder, read_planned(folder / MANIFEST_FILE), fetcher)
    if (folder / IDENTITY_FILE).exists() and read_identity(folder / IDENTITY_FILE) != cache.identity:
        remedy = f"'ravfeat cache rebuild-index {folder}' makes it anew"
        raise CacheError(f"{folder / IDENTITY_FILE} is not the identity that the shards store; {remedy}")
    return cache
