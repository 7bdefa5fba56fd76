"""Write a cache: create its folder, plan its shards, write each shard completely or not at all.

The plan assigns every clip to a shard. It is made from the sorted manifest, stored with it, and never depends
on which shards are already written; so an interrupted and resumed cache equals an uninterrupted one, and any
number of processes agree on it without communicating.
"""

import errno
import hashlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.cache.child_check import make_sure_it_opens
from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    MAX_SHARD_BYTES,
    MAX_SHARD_CLIPS,
    SUMS_FILE,
    ShardContent,
    cache_folder_name,
    encoder_of_folder,
    fingerprint,
    identity_text,
    shard_file,
)
from ravfeat.cache.index import IndexedShard, index_serialised, refresh_sums
from ravfeat.cache.known_shards import KnownShards, known_shards, make_sure_opens, refresh_index
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.manifest import PlannedManifest, ShardNumbers, read_planned
from ravfeat.cache.parts import part_file, present_parts
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import read_header
from ravfeat.clips import ClipTable
from ravfeat.errors import CacheError, CorpusError
from ravfeat.files import check_name, replace_file
from ravfeat.manifest import Clip, Manifest, parquet_bytes

__all__ = [
    "CacheFolder",
    "check_recordings",
    "find_folder",
    "make_folder",
    "plan_cache",
    "plan_shards",
    "prepare_cache",
]

_TABLES = (MANIFEST_FILE, IDENTITY_FILE, INDEX_FILE, SUMS_FILE)
_CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Features made by ravfeat; they can be made again.\n"
_SAME_DURATION_S = 0.1
_FACTS = ("performance_id", "actor", "gender", "label")


@dataclass(frozen=True)
class CacheFolder:
    """A writable cache.

    Attributes
    ----------
    path : Path
    about, identity : mapping
        See `ravfeat.cache.format.ShardContent`.
    planned : PlannedManifest
        Planned clips and their shards.
    """

    path: Path
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    planned: PlannedManifest

    def write_shard(self, content: ShardContent) -> IndexedShard:
        """Write one shard completely, or not at all.

        Returns
        -------
        IndexedShard
            Entry to pass to `update_index`.

        Raises
        ------
        CacheError
            Where the disk is full or the folder cannot be written.
        """
        serialised = serialise_shard(content)
        self._write(shard_file(content.number), serialised.data)
        self.remove_parts(content.number)  # after the shard is on the disk: killed in between, both are there
        return index_serialised(content, serialised)

    def holds(self, shard: int) -> bool:
        """Whether a shard is there."""
        return (self.path / shard_file(shard)).is_file()

    def present(self, shards: Collection[int]) -> set[int]:
        """Return those of some shards that are there."""
        return {number for number in shards if self.holds(number)}

    def fetched(self, shard: int) -> Path:
        """Return the file of a shard that is there, which HDF5 may open.

        Raises
        ------
        ShardError
            Where it is damaged.
        """
        make_sure_it_opens(path := self.path / shard_file(shard))
        return path

    def write_part(self, content: ShardContent, part: int) -> None:
        """Write some clips of an unfinished shard, see `ravfeat.cache.parts`; errors as in `write_shard`."""
        data = serialise_shard(content).data
        self._write(part_file(content.number, part, hashlib.sha256(data).hexdigest()), data)

    def remove_parts(self, shard: int) -> None:
        """Delete the parts of a shard (which must be locked)."""
        for path in present_parts(self.path, shard):
            path.unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        path = self.path / name
        # The whole file exists in memory before the disk is touched: a full disk then costs this file and leaves no
        # half of it.
        try:
            replace_file(path, data)
        except OSError as error:
            raise _write_error(path, error, needed=len(data)) from error

    def update_index(self, lock: WorkLock, written: Mapping[int, IndexedShard]) -> None:
        """Update index and digests after shards were written."""
        try:
            with lock.tables():
                # Under the lock, so that no live process can own these temporary files: they are left by a killed
                # one.
                _remove_temporary(self.path, _TABLES)
                refresh_index(self.path, written)
        except OSError as error:
            raise _write_error(self.path, error) from error

    def remove_leftovers(self, shards: Sequence[int]) -> None:
        """Delete temporary files that a killed run left for these shards (which must be locked)."""
        # Without the suffix: a temporary file may be that of a part.
        _remove_temporary(self.path, [shard_file(number).removesuffix(".h5") for number in shards])


def _remove_temporary(folder: Path, names: Sequence[str]) -> None:
    for path in folder.glob(".*.tmp"):
        if any(path.name.startswith(f".{name}.") for name in names):
            path.unlink(missing_ok=True)


def _write_error(path: Path, error: OSError, *, needed: int = 0) -> CacheError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = shutil.disk_usage(path.parent).free
        return CacheError(
            f"the disk is full: {path.name} needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free in {path.parent}."
            " What is finished is kept; make room and run the same command again"
        )
    return CacheError(f"{path} cannot be written ({error.strerror or error}); check the folder or choose another --out")


def plan_shards(clips: Sequence[Clip], n_bytes: Callable[[Clip], int], *, first: int = 0) -> list[int]:
    """Assign sorted clips to shards.

    Parameters
    ----------
    clips : sequence of Clip
        Sorted by ``clip_id``.
    n_bytes : callable
        Expected size of a clip on disk.
    first : int
        Number of the first shard.

    Returns
    -------
    list of int
        The shard of every clip. A shard holds at most 256 MB and 128 clips; a clip larger than
        that has a shard of its own.
    """
    numbers = []
    shard, total, count = first, 0, 0
    for clip in clips:
        size = n_bytes(clip)
        # `count and`: a clip larger than the bound still gets a shard, alone.
        if count and (total + size > MAX_SHARD_BYTES or count == MAX_SHARD_CLIPS):
            shard, total, count = shard + 1, 0, 0
        total, count = total + size, count + 1
        numbers.append(shard)
    return numbers


def plan_cache(
    out: Path,
    manifest: Manifest,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    n_bytes: Callable[[Clip], int],
) -> CacheFolder:
    """Plan what `prepare_cache` would prepare, and write nothing; the folder may not exist yet.

    Lengths are not compared with those of stored clips: see `check_recordings`.

    Raises
    ------
    CacheError, CorpusError
        As `prepare_cache`.
    """
    folder = find_folder(out, about, identity)
    return _cache_folder(folder, about, identity, _extended(folder, _read_plan(folder), manifest, n_bytes))


def prepare_cache(
    out: Path,
    manifest: Manifest,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    n_bytes: Callable[[Clip], int],
) -> CacheFolder:
    """Find or create the cache of an identity and a corpus, and write its plan.

    An existing cache is continued. New clips are added in new shards; clips that it already plans must be
    unchanged.

    Raises
    ------
    CacheError
        Where the folder cannot be written, or holds a cache with another identity.
    CorpusError
        Where actor, performance, label or length of a clip differ from those in the cache.
    """
    try:
        folder = find_folder(out, about, identity)
        make_folder(out, folder)
        # Reading, extending and writing the plan is one step: two processes must not give two clips one shard number.
        with WorkLock(folder) as lock, lock.tables():
            _remove_temporary(folder, _TABLES)
            before = _read_plan(folder)
            cache = _cache_folder(folder, about, identity, _extended(folder, before, manifest, n_bytes))
            check_recordings(cache, manifest)
            if cache.planned is not before:
                replace_file(folder / MANIFEST_FILE, parquet_bytes(cache.planned.table()))
            if not (folder / IDENTITY_FILE).is_file():
                replace_file(folder / IDENTITY_FILE, identity_text(identity).encode())
            refresh_sums(folder)
    except OSError as error:
        raise _write_error(out, error) from error
    return cache


def find_folder(out: Path, about: Mapping[str, Any], identity: Mapping[str, Any]) -> Path:
    """Return the folder of a cache, whether it exists or not."""
    corpus = out / check_name(str(about["corpus"]), "the corpus", CacheError, "give it another name")
    # Checked before the search, which follows a name that leads elsewhere, too.
    name = cache_folder_name(about["stream"], about["encoder"], identity)
    # The cache may have been made under another name of the encoder; the fingerprint decides.
    same = sorted(corpus.glob(f"{about['stream']}-*-{fingerprint(identity)}"))
    folder = same[0] if same else corpus / name
    path = folder / IDENTITY_FILE
    if path.is_file() and path.read_bytes() != identity_text(identity).encode():
        raise CacheError(
            f"{path} does not hold the identity that its folder's name stands for; delete it, run the same command"
            f" again, and 'ravfeat cache verify {folder}' after that"
        )
    return folder


def make_folder(out: Path, folder: Path) -> None:
    """Make the folder of a cache, and that of the caches where it is new."""
    if not out.exists():
        # Only where the folder is new: a user's own folder gets no .gitignore that would hide other files from git.
        out.mkdir(parents=True, exist_ok=True)  # another process may have been quicker
        (out / ".gitignore").write_text("*\n", encoding="utf-8")
        (out / "CACHEDIR.TAG").write_text(_CACHEDIR_TAG, encoding="utf-8")
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)


def _cache_folder(
    folder: Path, about: Mapping[str, Any], identity: Mapping[str, Any], planned: PlannedManifest
) -> CacheFolder:
    # All shards of a cache name the encoder alike, also if the user calls it differently now.
    encoder = encoder_of_folder(folder.name, str(about["stream"]), identity)
    return CacheFolder(folder, {**about, "encoder": encoder}, identity, planned)


def _read_plan(folder: Path) -> PlannedManifest | None:
    path = folder / MANIFEST_FILE
    return read_planned(path) if path.is_file() else None


def _extended(
    folder: Path, old: PlannedManifest | None, manifest: Manifest, n_bytes: Callable[[Clip], int]
) -> PlannedManifest:
    """Make the plan, or extend the old one by new clips; the same object where there are none."""
    if old is None:
        return PlannedManifest(manifest, ShardNumbers(manifest.ids, np.array(plan_shards(manifest.clips, n_bytes))))
    rows = old.manifest.ids.places(manifest.ids.array)
    _check_same(folder, old.manifest, manifest, rows)
    new = manifest.columns.take(np.flatnonzero(rows < 0))
    if not new:
        return old
    _check_copies(folder, old.manifest, manifest, new)
    # New shards only: an existing shard never changes its clips, so its digest and its features stay valid.
    numbers = plan_shards(new, n_bytes, first=int(old.column.max()) + 1)
    # Old classes first, so that the order of the logits of earlier heads stays the same.
    classes = tuple(dict.fromkeys([*old.manifest.classes, *manifest.classes]))
    clips = ClipTable.joined([old.manifest.columns, new])
    merged = Manifest(manifest.corpus, classes, clips, synthetic=manifest.synthetic)
    column = np.empty(len(merged), np.int64)
    column[merged.ids.places(old.manifest.ids.array)] = old.column
    column[merged.ids.places(new.table["clip_id"])] = numbers
    return PlannedManifest(merged, ShardNumbers(merged.ids, column))


def _check_same(folder: Path, old: Manifest, manifest: Manifest, rows: NDArray[np.int64]) -> None:
    """Refuse clips whose facts have changed; `rows` say where the manifest's clips are in the old one."""
    known = np.flatnonzero(rows >= 0)
    before, now = old.columns.table.take(rows[known]), manifest.columns.table.take(known)
    differ = np.zeros(len(known), bool)
    for name in _FACTS:
        differ |= np.asarray(pc.not_equal(before[name], now[name]))
    for row in np.flatnonzero(differ)[:1].tolist():
        clip, stored = manifest.clips[int(known[row])], old.clips[int(rows[known[row]])]
        name = next(name for name in _FACTS if getattr(clip, name) != getattr(stored, name))
        raise CorpusError(
            f"clip '{clip.clip_id}' has {name} '{getattr(clip, name)}' now, the cache {folder} says"
            f" '{getattr(stored, name)}'; stored clips are never relabelled silently: choose another --out, or give new"
            " labels to 'ravfeat fit-heads --labels FILE'"
        )


def check_recordings(folder: CacheFolder, manifest: Manifest) -> None:
    """Refuse clips that are not the recordings that are stored, by their lengths.

    Raises
    ------
    CorpusError
        Where a stored clip has another length now.
    ShardError
        Where a shard is damaged.
    """
    # Lengths from file headers on both sides: decoded lengths may differ from them. File formats round lengths
    # differently; a difference above the tolerance means another recording. Unknown lengths (NaN) always pass.
    planned = folder.planned.manifest
    rows = manifest.ids.places(planned.ids.array)
    now_s = np.where(rows >= 0, manifest.columns.durations_s[rows], np.nan)
    changed = np.flatnonzero(np.abs(now_s - planned.columns.durations_s) > _SAME_DURATION_S)
    if not len(changed):
        return
    shards, numbers = known_shards(folder.path), folder.planned.column[changed]
    for number in np.unique(numbers[np.isin(numbers, list(shards.paths))]).tolist():
        stored = _stored_ids(shards, number)
        for row in changed[numbers == number].tolist():
            old, clip = planned.clips[row], manifest.clips[int(rows[row])]
            if old.clip_id in stored:
                raise CorpusError(
                    f"clip '{clip.clip_id}' ({clip.path}) lasts {clip.duration_s:.2f} s now, the one in {folder.path}"
                    f" lasted {old.duration_s:.2f} s: another recording, or another corpus of the same name; choose"
                    " another --out or --name"
                )


def _stored_ids(shards: KnownShards, number: int) -> set[str]:
    """Return the clips that a shard holds: from the index, or from the shard where the index does not know it."""
    if number in shards.known:
        return {row["clip_id"] for row in shards.indexed[number].rows if row["status"] == "stored"}
    make_sure_opens(shards.indexed, {number: shards.paths[number]})
    return {clip.clip_id for clip in read_header(shards.paths[number]).clips}


def _check_copies(folder: Path, old: Manifest, manifest: Manifest, new: ClipTable) -> None:
    """Refuse a second copy of a stored performance where corpus and cache have one clip per performance."""
    stored = old.columns.table["performance_id"]
    if any(pc.count_distinct(names).as_py() < len(names) for names in (stored, _performances(manifest))):
        return
    copies = pc.index_in(new.table["performance_id"], value_set=stored)
    for row in np.flatnonzero(np.asarray(copies.is_valid()))[:1].tolist():
        clip, held = new[row], old.clips[copies[row].as_py()]
        raise CorpusError(
            f"performance '{clip.performance_id}' is clip '{clip.clip_id}' now, the cache {folder} holds it as"
            f" '{held.clip_id}'; choose another --out"
        )


def _performances(manifest: Manifest) -> pa.ChunkedArray:
    return manifest.columns.table["performance_id"]
