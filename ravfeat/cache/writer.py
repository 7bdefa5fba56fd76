"""Making a cache: its folder, its plan, and shards that are whole or not there.

The plan says which clip goes into which shard. It is made from the sorted manifest, stored with
it, and never depends on what is already done, so that an interrupted and resumed cache equals an
uninterrupted one, and any number of processes agree about it without talking.

Offers
------
CacheFolder, prepare_cache, plan_shards.
"""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.cache.format import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    MAX_SHARD_BYTES,
    MAX_SHARD_CLIPS,
    ShardContent,
    cache_folder_name,
    fingerprint,
    shard_file,
)
from ravfeat.cache.index import refresh_index
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.shard import shard_bytes
from ravfeat.errors import CacheError, CorpusError
from ravfeat.files import replace_file
from ravfeat.manifest import Clip, Manifest, parquet_bytes

__all__ = ["CacheFolder", "plan_shards", "prepare_cache"]

_CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Features made by ravfeat; they can be made again.\n"


@dataclass(frozen=True)
class CacheFolder:
    """A cache that can be written.

    Attributes
    ----------
    path : Path
    about, identity : mapping
        See `ravfeat.cache.format.ShardContent`.
    planned : PlannedManifest
        What belongs in this cache, and into which shard.
    """

    path: Path
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    planned: PlannedManifest

    def write_shard(self, content: ShardContent) -> Path:
        """Write one shard: whole, or not at all.

        Raises
        ------
        CacheError
            Where the disk is full or the folder cannot be written.
        """
        path = self.path / shard_file(content.number)
        data = shard_bytes(content)
        try:
            replace_file(path, data)
        except OSError as error:
            raise _write_error(path, error, needed=len(data)) from error
        return path

    def update_index(self, lock: WorkLock, written: Sequence[int]) -> None:
        """Bring index and digests up to date after shards were written."""
        try:
            with lock.tables():
                refresh_index(self.path, written)
        except OSError as error:
            raise _write_error(self.path, error) from error

    def remove_leftovers(self, shards: Sequence[int]) -> None:
        """Delete temporary files that a killed run left for these shards (which must be locked)."""
        for number in shards:
            for path in self.path.glob(f".{shard_file(number)}.*.tmp"):
                path.unlink(missing_ok=True)


def _write_error(path: Path, error: OSError, *, needed: int = 0) -> CacheError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = shutil.disk_usage(path.parent).free
        return CacheError(
            f"the disk is full: {path.name} needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free in {path.parent}."
            " Finished shards are kept; make room and run the same command again"
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
        if count and (total + size > MAX_SHARD_BYTES or count == MAX_SHARD_CLIPS):
            shard, total, count = shard + 1, 0, 0
        total, count = total + size, count + 1
        numbers.append(shard)
    return numbers


def prepare_cache(
    out: Path,
    manifest: Manifest,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    n_bytes: Callable[[Clip], int],
) -> CacheFolder:
    """Find or make the cache of an identity for a corpus, and write what belongs in it.

    A cache that is there is continued. Clips it does not know yet are added in shards of their
    own; clips it knows must be the same.

    Raises
    ------
    CacheError
        Where the folder cannot be written, or holds the cache of something else.
    CorpusError
        Where a clip has another actor, performance or label than the cache says.
    """
    try:
        folder = _make_folder(out, about, identity)
        with WorkLock(folder) as lock, lock.tables():
            planned = _merge(folder, manifest, n_bytes)
            _write_if_new(folder / IDENTITY_FILE, _identity_text(identity).encode())
            _write_if_new(folder / MANIFEST_FILE, parquet_bytes(planned.table()))
    except OSError as error:
        raise _write_error(out, error) from error
    return CacheFolder(folder, about, identity, planned)


def _make_folder(out: Path, about: Mapping[str, Any], identity: Mapping[str, Any]) -> Path:
    if not out.exists():
        out.mkdir(parents=True)
        (out / ".gitignore").write_text("*\n", encoding="utf-8")
        (out / "CACHEDIR.TAG").write_text(_CACHEDIR_TAG, encoding="utf-8")
    corpus = out / about["corpus"]
    corpus.mkdir(exist_ok=True)
    # The same encoder may have been called otherwise; what counts is the fingerprint.
    same = sorted(corpus.glob(f"{about['stream']}-*-{fingerprint(identity)}"))
    folder = same[0] if same else corpus / cache_folder_name(about["stream"], about["encoder"], identity)
    folder.mkdir(exist_ok=True)
    path = folder / IDENTITY_FILE
    if path.is_file() and path.read_text(encoding="utf-8") != _identity_text(identity):
        raise CacheError(
            f"{path} does not hold the identity that its folder's name stands for; 'ravfeat cache verify {folder}'"
            " says what is wrong with it. Choose another --out"
        )
    return folder


def _identity_text(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _write_if_new(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        replace_file(path, data)


def _merge(folder: Path, manifest: Manifest, n_bytes: Callable[[Clip], int]) -> PlannedManifest:
    path = folder / MANIFEST_FILE
    if not path.is_file():
        numbers = plan_shards(manifest.clips, n_bytes)
        return PlannedManifest(manifest, dict(zip((c.clip_id for c in manifest), numbers, strict=True)))
    old = read_planned(path)
    known = old.manifest.by_id()
    for clip in manifest:
        before = known.get(clip.clip_id)
        if before is not None and _facts(before) != _facts(clip):
            raise CorpusError(
                f"clip '{clip.clip_id}' is {_facts(clip)} now, the cache {folder} says {_facts(before)};"
                " features are never relabelled silently: choose another --out, or give new labels to"
                " 'ravfeat fit-heads --labels FILE'"
            )
    new = [clip for clip in manifest if clip.clip_id not in known]
    if not new:
        return old
    numbers = plan_shards(new, n_bytes, first=max(old.shards.values()) + 1)
    shards = old.shards | dict(zip((clip.clip_id for clip in new), numbers, strict=True))
    classes = tuple(dict.fromkeys([*old.manifest.classes, *manifest.classes]))
    merged = Manifest(manifest.corpus, classes, (*old.manifest.clips, *new), synthetic=manifest.synthetic)
    return PlannedManifest(merged, shards)


def _facts(clip: Clip) -> tuple[str, str, str, str]:
    return clip.performance_id, clip.actor, clip.gender, clip.label
