"""Remember, beside a cache, which of its clips are not in the table that was given last.

A cache keeps every clip that was ever extracted into it; who trains leaves those out whose row is gone from the table,
and is told. The file lies beside the cache's folder, not in it: it is no part of the cache's format.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ravfeat.cache.format import MANIFEST_FILE
from ravfeat.documents import read_json
from ravfeat.errors import CacheError, listed
from ravfeat.files import replace_file
from ravfeat.manifest import Manifest

__all__ = ["absent_note", "read_absent", "record_absent"]

_NAMED = 10


@dataclass(frozen=True)
class _Absent:
    clip_ids: tuple[str, ...]


def record_absent(cache: Path, given: Collection[str]) -> None:
    """Write down which clips of a cache were not given; remove the file where all were.

    Parameters
    ----------
    cache : Path
        Folder of the cache.
    given : collection of str
        Clip ids of the data that was given last.
    """
    held = Manifest.read(cache / MANIFEST_FILE).ids.array
    absent = held.filter(pc.invert(pc.is_in(held, value_set=pa.array(list(given), held.type)))).to_pylist()
    if absent:
        replace_file(_file(cache), json.dumps({"version": 1, "clip_ids": absent}, ensure_ascii=False).encode())
    else:
        _file(cache).unlink(missing_ok=True)


def read_absent(cache: Path) -> tuple[str, ...]:
    """Return the clips of a cache that were not in the data given last; empty where all were, or nobody wrote it down.

    Raises
    ------
    CacheError
        Where the file is damaged.
    """
    path = _file(cache)
    if not path.is_file():
        return ()
    return read_json(path, _Absent, CacheError, "delete it, or run the same extraction again").clip_ids


def absent_note(cache: Path) -> str:
    """Say which clips of a cache are not in the table that was given last, and are left out; empty where all are in it.

    Raises
    ------
    CacheError
        See `read_absent`.
    """
    if not (absent := read_absent(cache)):
        return ""
    return (
        f"{cache}: {len(absent)} clips are not in the table that was last extracted, and are left out:"
        f" {listed(absent, _NAMED)}; to have them back, extract with a table that has them"
    )


def _file(cache: Path) -> Path:
    return cache.resolve().with_name(f"{cache.resolve().name}.absent.json")
