"""Divide an extraction by shards: what is left to write in each cache, small enough to be sent to other processes.

The plan is made once. It holds numbers of shards, and names of clips where they need attention; which clips a shard
holds is read from the cache's own ``manifest.parquet``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow.compute as pc

from ravfeat.cache.format import MANIFEST_FILE
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import UsageError
from ravfeat.extract.open_caches import check_space, folder_of
from ravfeat.extract.request import Extraction
from ravfeat.extract.resume import Origin, find_work, origins_of
from ravfeat.extract.stored_folder import (
    StoredFolder,
    check_address,
    open_stored_folder,
    prepare_stored_folder,
    stored_failures,
)
from ravfeat.manifest import Manifest
from ravfeat.remote.store import is_remote
from ravfeat.short_repr import short_repr

__all__ = ["CachePlan", "LoadedWork", "ShardNumbers", "Work", "WorkPlan", "plan_work"]

ShardNumbers = tuple[tuple[int, ...], ...]
"""Numbers of shards, for every cache of a plan: several encoders of one pass have shards of different sizes."""


@short_repr
@dataclass(frozen=True)
class CachePlan:
    """What is left to do in one cache.

    Attributes
    ----------
    path : Path
    about, identity : mapping
        See `ravfeat.cache.format.ShardContent`.
    numbers : tuple of int
        Every planned shard.
    absent : tuple of int
        Shards that are not there.
    failed : mapping of int to mapping of str to str
        Shards with failed clips: the reason, by ``clip_id``.
    origins : tuple of Origin
        Where the stored features came from.
    moved : mapping of str to str
        Paths of clips that the given data have elsewhere than the cache's manifest says.
    lacking : frozenset of str
        Clips of the cache that the given data do not have.
    address : str
        Of the cache, where it is at an object store; ``path`` is a temporary folder then.
    """

    path: Path
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    numbers: tuple[int, ...]
    absent: tuple[int, ...]
    failed: Mapping[int, Mapping[str, str]]
    origins: tuple[Origin, ...]
    moved: Mapping[str, str]
    lacking: frozenset[str]
    address: str = ""
    _opened: CacheFolder | None = field(default=None, repr=False, compare=False)

    @property
    def to_do(self) -> tuple[int, ...]:
        """Shards that are not there, and those with failed clips, which are tried again; sorted."""
        return tuple(sorted({*self.absent, *self.failed}))

    @property
    def place(self) -> str:
        """Where the cache is, for people."""
        return self.address or str(self.path)

    def folder(self) -> CacheFolder:
        """Return the cache's folder; its manifest is read where the plan came from another process."""
        if self._opened is not None:
            return self._opened
        if self.address:
            return open_stored_folder(self.address, self.path.name, self.about, self.identity)
        return CacheFolder(self.path, self.about, self.identity, read_planned(self.path / MANIFEST_FILE))

    def available(self, planned: Manifest) -> Manifest:
        """Return the clips of a cache that the given data have, with their paths there."""
        if not self.moved and not self.lacking:
            return planned
        clips = (clip for clip in planned if clip.clip_id not in self.lacking)
        return planned.with_clips(replace(clip, path=self.moved.get(clip.clip_id, clip.path)) for clip in clips)


@short_repr
@dataclass(frozen=True)
class WorkPlan:
    """What is left to do in the caches of one pass over the clips.

    Attributes
    ----------
    caches : tuple of CachePlan
        In the order of the encoders.
    """

    caches: tuple[CachePlan, ...]

    def to_send(self) -> Self:
        """Return the plan without what another process reads for itself."""
        return replace(self, caches=tuple(replace(cache, _opened=None) for cache in self.caches))

    def close(self) -> None:
        """Remove temporary folders; the plan cannot be used any more."""
        for cache in self.caches:
            if isinstance(cache._opened, StoredFolder):
                cache._opened.close()

    def opened(self) -> Self:
        """Return the plan with the caches' manifests read, where another process made it."""
        return replace(self, caches=tuple(replace(cache, _opened=cache.folder()) for cache in self.caches))


class Work(Protocol):
    """What an extraction was asked to do: some encoders over the same clips."""

    def describe(self) -> Sequence[Extraction]:
        """Return the extractions for planning; of their encoders only the ``spec`` is used."""
        ...

    def load(self, plan: WorkPlan) -> Sequence[Extraction]:
        """Return the extractions with encoders that can encode."""
        ...


@dataclass(frozen=True)
class LoadedWork:
    """Extractions whose encoders are loaded; for this process only.

    Attributes
    ----------
    requests : sequence of Extraction
    """

    requests: Sequence[Extraction]

    def describe(self) -> Sequence[Extraction]:
        """Return the extractions."""
        return self.requests

    def load(self, plan: WorkPlan) -> Sequence[Extraction]:
        """Return the extractions."""
        return self.requests


def plan_work(work: Work, out: Path | str) -> WorkPlan:
    """Find or create the caches of some work, and list what is left to write; nothing is encoded.

    Parameters
    ----------
    work : Work
    out : Path or str
        Folder of all caches, or an address such as ``s3://…``.

    Raises
    ------
    CacheError, CorpusError
        Where the caches cannot be continued with the given data, or the disk is too small.
    RemoteError
        Where an address cannot be read or written.
    UsageError
        Where two extractions are the same.
    """
    requests = work.describe()
    if is_remote(out):
        check_address(str(out))
        stored = [prepare_stored_folder(request, str(out)) for request in requests]
        _check_distinct(requests, [address for _, address in stored])
        return WorkPlan(tuple(_plan_stored(request, *cache) for request, cache in zip(requests, stored, strict=True)))
    check_space(requests, Path(out))
    folders = [folder_of(request, Path(out)) for request in requests]
    _check_distinct(requests, [str(folder.path) for folder in folders])
    return WorkPlan(tuple(map(_plan_cache, requests, folders)))


def _check_distinct(work: Sequence[Extraction], places: Sequence[str]) -> None:
    for number, place in enumerate(places):
        if place in places[:number]:
            before = work[places.index(place)]
            names = f"'{before.encoder.spec.name}' and '{work[number].encoder.spec.name}'"
            raise UsageError(f"the encoders {names} are the same; name every --encoder once")


def _plan_cache(request: Extraction, folder: CacheFolder) -> CachePlan:
    worklist = find_work(folder, folder.planned.numbers)
    return _cache_plan(request, folder, worklist.absent, worklist.reasons, worklist.origins)


def _plan_stored(request: Extraction, folder: StoredFolder, address: str) -> CachePlan:
    stored, numbers = folder.sizes(), folder.planned.numbers
    absent = tuple(number for number in numbers if number not in stored)
    failed = stored_failures(folder.indexed(), numbers)
    # Of two shards, not of all as in a folder: these are fetched whole.
    origins = origins_of(folder.samples()) if absent or failed else ()
    return replace(_cache_plan(request, folder, absent, failed, origins), address=address)


def _cache_plan(
    request: Extraction,
    folder: CacheFolder,
    absent: tuple[int, ...],
    failed: Mapping[int, Mapping[str, str]],
    origins: tuple[Origin, ...],
) -> CachePlan:
    planned, given = folder.planned.manifest, request.manifest
    rows = given.ids.places(planned.ids.array)
    here = np.flatnonzero(rows >= 0)
    paths, now = planned.columns.table["path"].take(here), given.columns.table["path"].take(rows[here])
    elsewhere = np.flatnonzero(np.asarray(pc.not_equal(paths, now)))
    moved = dict(zip(planned.ids.array.take(here[elsewhere]).to_pylist(), now.take(elsewhere).to_pylist(), strict=True))
    lacking = planned.ids.array.take(np.flatnonzero(rows < 0)).to_pylist()
    return CachePlan(
        folder.path, folder.about, folder.identity, folder.planned.numbers, absent, failed, origins, moved,
        frozenset(lacking), _opened=folder,
    )  # fmt: skip
