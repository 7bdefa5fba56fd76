"""Holding a cache against everything it says of itself.

Offers
------
Problem, verify_cache.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    fingerprint,
    shard_file,
    shard_number,
)
from ravfeat.cache.index import IndexedShard, present_shards, read_index, read_sums
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.shard import ShardHeader, check_features, read_header
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import sha256_of

__all__ = ["Problem", "verify_cache"]

_T = TypeVar("_T")
_OWN_FILES = frozenset({MANIFEST_FILE, INDEX_FILE, IDENTITY_FILE, SUMS_FILE, LOCK_FILE})


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    where : str
        File or clip.
    what : str
        One sentence.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def verify_cache(folder: Path, *, progress: Callable[[Path], None] = lambda _: None) -> list[Problem]:
    """Check every file, digest, shape, number and clip of a cache.

    Finds flipped bits, truncated, missing, foreign and duplicate shards and clips, NaN and
    infinite values, wrong shapes, and clips of the manifest that are not stored.

    Parameters
    ----------
    folder : Path
        A cache folder.
    progress : callable
        Called with every shard file after it was checked.

    Returns
    -------
    list of Problem
        Empty where the cache is whole.
    """
    problems: list[Problem] = []
    sums = _attempt(problems, SUMS_FILE, lambda: read_sums(folder)) or {}
    index = _attempt(problems, INDEX_FILE, lambda: read_index(folder)) or {}
    planned = _attempt(problems, MANIFEST_FILE, lambda: read_planned(folder / MANIFEST_FILE))
    identity = _attempt(problems, IDENTITY_FILE, lambda: _read_identity(folder))
    problems += _check_tables(folder, sums, index)
    headers: dict[int, ShardHeader] = {}
    for number, path in present_shards(folder).items():
        header = _check_shard(path, number, sums, index.get(number), identity, problems)
        if header is not None:
            headers[number] = header
        progress(path)
    problems += _check_clips(headers, planned)
    return problems


def _attempt(problems: list[Problem], name: str, read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except CacheError as error:
        problems.append(Problem(name, str(error)))
        return None


def _read_identity(folder: Path) -> str:
    path = folder / IDENTITY_FILE
    try:
        return fingerprint(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CacheError(f"{path} cannot be read ({error})") from error


def _check_tables(folder: Path, sums: Mapping[str, str], index: Mapping[int, IndexedShard]) -> Iterator[Problem]:
    for name in (MANIFEST_FILE, IDENTITY_FILE):
        if (folder / name).is_file() and sums and sums.get(name) != sha256_of(folder / name):
            yield Problem(name, f"does not match its digest in {SUMS_FILE}")
    present = present_shards(folder)
    for number in index:
        if number not in present:
            yield Problem(shard_file(number), "is in the index and missing from the folder")
    for path in sorted(folder.iterdir()):
        if path.name not in _OWN_FILES and shard_number(path) is None:
            left = " (left by an interrupted run; the next run removes it)" if path.name.endswith(".tmp") else ""
            yield Problem(path.name, f"is a file that does not belong in a cache{left}")


def _check_shard(
    path: Path,
    number: int,
    sums: Mapping[str, str],
    indexed: IndexedShard | None,
    identity: str | None,
    problems: list[Problem],
) -> ShardHeader | None:
    found = len(problems)
    if indexed is None:
        problems.append(Problem(path.name, "is not in the index"))
    elif path.stat().st_size != indexed.n_bytes:
        problems.append(Problem(path.name, f"has {path.stat().st_size} bytes, the index says {indexed.n_bytes}"))
    elif not indexed.sha256 == sums.get(path.name) == sha256_of(path):
        problems.append(Problem(path.name, "does not match its SHA-256"))
    try:
        header = read_header(path)
        details = check_features(path, header)
    except ShardError as error:
        problems.append(Problem(path.name, str(error)))
        return None
    problems += [Problem(path.name, what) for what in details]
    if header.number != number:
        problems.append(Problem(path.name, f"is shard {header.number} under another name"))
    if identity is not None and header.fingerprint != identity:
        problems.append(Problem(path.name, f"is foreign: identity {header.fingerprint}, this cache is {identity}"))
    if len(problems) > found:
        problems.append(Problem(path.name, "remedy: delete it and run the same 'ravfeat extract' again"))
    return header


def _check_clips(headers: Mapping[int, ShardHeader], planned: PlannedManifest | None) -> Iterator[Problem]:
    places: dict[str, list[int]] = {}
    failed: dict[str, str] = {}
    for number, header in headers.items():
        failed |= {clip.clip_id: clip.reason for clip in header.failed}
        for clip in header.clips:
            places.setdefault(clip.clip_id, []).append(number)
    for clip_id, numbers in places.items():
        if len(numbers) > 1:
            yield Problem(clip_id, f"is stored {len(numbers)} times, in shards {numbers}")
    if planned is None:
        return
    rows = planned.manifest.by_id()
    for number, header in headers.items():
        for clip in header.clips:
            row = rows.get(clip.clip_id)
            if row is None:
                yield Problem(clip.clip_id, f"is foreign: stored in shard {number}, not in the manifest")
            elif (row.performance_id, row.actor, row.gender, row.label) != (
                clip.performance_id, clip.actor, clip.gender, clip.label
            ):  # fmt: skip
                yield Problem(clip.clip_id, "has other metadata in its shard than in the manifest")
    for clip_id in rows:
        if clip_id not in places:
            why = f"failed in extraction: {failed[clip_id]}" if clip_id in failed else "not extracted yet"
            yield Problem(clip_id, f"is missing ({why})")
