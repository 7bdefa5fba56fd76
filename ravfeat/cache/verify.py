"""Verify a cache: every digest, shape, number and clip, against index, manifest and identity."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.digests import check_shard
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
from ravfeat.cache.index import WORKERS, IndexedShard, index_rows, present_shards, read_index, read_sums
from ravfeat.cache.layer_table import LAYERS_FILE, LayerTable, describe_layers, parse_layer_table
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.origin_file import ORIGIN_FILE
from ravfeat.cache.parts import is_part
from ravfeat.cache.sampling import ALL, ShardChoice
from ravfeat.cache.schemas import read_identity
from ravfeat.cache.shard import ShardHeader, foreign, read_header
from ravfeat.cache.verify_clips import Problem, check_clips, clips_of_header, clips_of_index
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import sha256_of

__all__ = ["Problem", "verify_cache"]

_T = TypeVar("_T")
_OWN_FILES = frozenset({MANIFEST_FILE, INDEX_FILE, IDENTITY_FILE, SUMS_FILE, LOCK_FILE, LAYERS_FILE})
_BESIDE = frozenset({"README.md", ".gitattributes", ORIGIN_FILE})
"""What a hub keeps beside the shards, as it keeps files that begin with LICENSE."""
_EXTRACT = "delete it and run the same 'ravfeat extract' again"


def verify_cache(
    folder: Path, *, choice: ShardChoice = ALL, progress: Callable[[Path], None] = lambda _: None
) -> list[Problem]:
    """Check every file, digest, shape, number and clip of a cache.

    Finds flipped bits, truncated, missing, foreign and duplicate shards and clips, NaN and
    infinite values, wrong shapes, and clips of the manifest that are not stored.

    Parameters
    ----------
    folder : Path
        A cache folder.
    choice : ShardChoice
        Which shards are read; by default all. Of the others only the size is held against the index, and the index is
        believed about their clips. Manifest, index, identity and checksums are always checked.
    progress : callable
        Called with the path of every shard after it was checked.

    Returns
    -------
    list of Problem
        Empty where the cache is complete and undamaged.
    """
    tables, present = _read_tables(folder), present_shards(folder)
    problems = [*tables.problems, *_check_files(folder, tables)]
    index = tables.index or {}
    chosen = choice.choose(present)
    # Without a row in the index nothing is known of a shard but what reading it tells.
    chosen |= {number: path for number, path in present.items() if number not in index}
    clips = {number: clips_of_index(index[number]) for number in present.keys() - chosen.keys()}
    problems += [
        Problem(present[number].name, text) for number in sorted(clips) for text in _check_size(tables, present[number])
    ]
    widths: dict[int, int] = {}
    # map keeps the order of the shards, so the report is the same however the threads run.
    with ChildProcesses() as children, ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for checked in pool.map(partial(_check_shard, tables, children), dict(sorted(chosen.items())).values()):
            problems += checked.problems
            if checked.clips is not None:
                clips[checked.number], widths[checked.number] = checked.clips, checked.width
            progress(checked.path)
    # Clips of shards that cannot be read are not reported one by one: the shard itself is the problem.
    unreadable = present.keys() - clips.keys()
    in_order = [clips[number] for number in sorted(clips)]
    return [*problems, *_check_widths(widths), *check_clips(in_order, tables.planned, unreadable)]


@dataclass(frozen=True)
class _Tables:
    """Files beside the shards; None where one is damaged, which is a problem already reported."""

    folder: Path
    problems: tuple[Problem, ...]
    sums: Mapping[str, str] | None
    index: Mapping[int, IndexedShard] | None
    planned: PlannedManifest | None
    fingerprint: str | None
    layers: LayerTable | None


@dataclass(frozen=True)
class _Checked:
    """Result of reading one shard in full; without clips where it could not be read."""

    path: Path
    number: int
    clips: pa.Table | None
    width: int
    problems: tuple[Problem, ...]


def _read_tables(folder: Path) -> _Tables:
    problems: list[Problem] = []

    def attempt(name: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except CacheError as error:
            problems.append(Problem(name, str(error)))
            return None

    def undamaged(name: str, read: Callable[[Path], _T]) -> _T:
        path = folder / name
        # Before it is parsed: a damaged file may still be read, as something else.
        if path.is_file() and sums is not None and sums.get(name) != sha256_of(path):
            raise CacheError(f"does not match its digest in {SUMS_FILE}; {remedies[name]}")
        return read(path)

    def read_layers(path: Path) -> LayerTable | None:
        if not path.is_file():  # only published caches have one
            return None
        return parse_layer_table(path.read_bytes(), str(path), remedies[LAYERS_FILE])

    remedies = {
        LAYERS_FILE: f"delete it and run 'ravfeat cache rebuild-index {folder}': publishing makes it again",
        MANIFEST_FILE: f"{_EXTRACT}: it is made anew, finished shards are kept",
        IDENTITY_FILE: f"'ravfeat cache rebuild-index {folder}' makes it anew from the shards",
    }
    sums = attempt(SUMS_FILE, lambda: read_sums(folder))
    # Without the sums the index cannot be checked; the missing sums are reported once, not for each file.
    index = attempt(INDEX_FILE, lambda: read_index(folder)) if sums is not None else None
    planned = attempt(MANIFEST_FILE, lambda: undamaged(MANIFEST_FILE, read_planned))
    identity = attempt(IDENTITY_FILE, lambda: undamaged(IDENTITY_FILE, lambda path: fingerprint(read_identity(path))))
    layers = attempt(LAYERS_FILE, lambda: undamaged(LAYERS_FILE, read_layers))
    return _Tables(folder, tuple(problems), sums, index, planned, identity, layers)


def _check_files(folder: Path, tables: _Tables) -> Iterator[Problem]:
    # Both lists: a shard that is gone together with its rows in the index is still named in the sums.
    expected = {shard_file(number) for number in tables.index or ()} | set(tables.sums or ())
    for name in sorted(expected - _OWN_FILES):
        if not (folder / name).is_file():
            problem = "is in the index and missing from the folder; run the same 'ravfeat extract' again"
            yield Problem(name, problem)
    for path in sorted(folder.iterdir()):
        if path.name in _BESIDE or path.name.startswith("LICENSE"):
            continue
        if path.name not in _OWN_FILES and shard_number(path) is None:
            yield Problem(path.name, _stray(path.name))


def _stray(name: str) -> str:
    if is_part(name):
        return "is part of a shard that is not finished; run the command that makes this cache again to finish it"
    if name.startswith(".shard-") and name.endswith(".part"):
        return "is part of a shard that is being pulled; run the same 'ravfeat cache pull' again to finish it"
    left = " (left by an interrupted run; the next run removes it)" if name.endswith(".tmp") else ""
    return f"is a file that does not belong in a cache{left}"


def _check_shard(tables: _Tables, children: ChildProcesses, path: Path) -> _Checked:
    number = shard_number(path)
    if number is None:
        raise ShardError(f"{path} has not the name of a shard")
    header, sha256, damage = None, None, []
    indexed = (tables.index or {}).get(number)
    try:
        if indexed is not None and indexed.matches(path):
            header = read_header(path)
            contents = check_shard(path, header)
        else:
            contents = children.check(path)
            header = read_header(path)  # it did no harm there
        sha256, damage = contents.sha256, list(contents.problems)
    except ShardError as error:
        damage.append(str(error))
    # The size and digest of the file first: they explain most of what follows.
    damage = [*_check_bytes(tables, path, number, sha256), *damage]
    if not damage and header is not None:
        damage += _check_layers(tables, path, number, header)
    # One remedy at the end, and none where the error has named its own.
    if damage and "delete it" not in damage[-1]:
        damage[-1] += f"; {_EXTRACT}"
    misplaced = [] if header is None else _check_place(tables, path, number, header)
    problems = tuple(Problem(path.name, text) for text in [*damage, *misplaced])
    if header is None:
        return _Checked(path, number, None, 0, problems)
    # As columns: records of all shards would take more memory than their features.
    held = clips_of_header(number, header.clips, header.failed)
    return _Checked(path, number, held, header.shape[-1], problems)


def _check_bytes(tables: _Tables, path: Path, number: int, sha256: str | None) -> list[str]:
    """Hold the file against the index; its digest is computed where it was not on the way."""
    indexed = (tables.index or {}).get(number)
    if indexed is None:
        return []
    if wrong := _check_size(tables, path):
        return wrong
    if (sha256 or sha256_of(path)) != indexed.sha256:
        return ["does not match its SHA-256"]
    return []


def _check_layers(tables: _Tables, path: Path, number: int, header: ShardHeader) -> list[str]:
    """Hold the table of layers against an undamaged shard, whose features are read once more for it."""
    indexed = (tables.index or {}).get(number)
    listed = tables.layers.shards.get(number) if tables.layers is not None else None
    if indexed is None or listed is None:
        return []
    n_frames = [clip.n_frames for clip in header.clips]
    if listed == describe_layers(path, indexed.sha256, indexed.features, header.layers, n_frames):
        return []
    return [f"holds other layers than {LAYERS_FILE} says; delete it and run 'ravfeat cache rebuild-index'"]


def _check_size(tables: _Tables, path: Path) -> list[str]:
    indexed = (tables.index or {}).get(shard_number(path) or 0)
    size = path.stat().st_size
    return [] if indexed is None or size == indexed.n_bytes else [f"has {size} bytes, the index says {indexed.n_bytes}"]


def _check_place(tables: _Tables, path: Path, number: int, header: ShardHeader) -> Iterator[str]:
    rebuild = f"'ravfeat cache rebuild-index {tables.folder}'"
    if header.number != number:
        yield f"is shard {header.number} under another name; rename it to {shard_file(header.number)}"
    # Where manifest or identity cannot be read, which was reported, the shard is compared with itself.
    corpus = tables.planned.manifest.corpus if tables.planned is not None else str(header.about.get("corpus"))
    if problem := foreign(header, tables.fingerprint or header.fingerprint, corpus):
        yield f"{problem}; move it away and run {rebuild}"
    if tables.index is None or tables.sums is None:
        return
    indexed = tables.index.get(number)
    if indexed is None:
        yield f"is not in the index; {rebuild} adds it"
        return
    rows = index_rows(header.clips, header.failed)
    # Rows of the index have columns of the shard's file too; those were compared above.
    same = len(rows) == len(indexed.rows) and all(
        about.items() <= row.items() for about, row in zip(rows, indexed.rows, strict=True)
    )
    if not same:
        yield f"holds other clips than the index says; {rebuild} makes it anew"


def _check_widths(widths: Mapping[int, int]) -> Iterator[Problem]:
    # The width is not part of the identity, so the fingerprint cannot show another one.
    for number, width in widths.items():
        if width != (first := next(iter(widths.values()))):
            yield Problem(shard_file(number), f"has features of {width} dimensions, the first shard of {first}")
