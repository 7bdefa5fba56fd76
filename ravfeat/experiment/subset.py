"""Restrict a run to some clips of its caches, so that only the shards that hold them are read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ravfeat.cache import Cache
from ravfeat.corpora.labels import check_known, read_clip_ids

__all__ = ["NOT_GIVEN", "ClipSubset", "planned_among"]

NOT_GIVEN = "the table extracted last"
"""What leaves out clips that are not in it."""


@dataclass(frozen=True)
class ClipSubset:
    """The clips of every cache that a run is about.

    Attributes
    ----------
    chosen : mapping of Path to (frozenset of str, or None)
        By the cache's folder; None stands for all.
    absent : mapping of Path to frozenset of str
        Clips that are not in the table which was extracted last, by the cache's folder; they are not chosen.
    """

    chosen: dict[Path, frozenset[str] | None]
    absent: dict[Path, frozenset[str]]

    @classmethod
    def of(cls, table: Path | None, caches: Sequence[Cache], absent: Collection[str] = ()) -> Self:
        """Read the table of clips; without one all clips are chosen.

        A cache that has none of them, since it calls the same performances otherwise, gives the clips of these
        performances.

        Parameters
        ----------
        table : Path or None
        caches : sequence of Cache
        absent : collection of str
            Clips that are not chosen.

        Raises
        ------
        CorpusError
            Where the table cannot be read, or names a clip that belongs in none of the caches.
        """
        chosen: dict[Path, frozenset[str] | None] = {cache.path: None for cache in caches}
        if table is not None:
            clip_ids = read_clip_ids(table)
            named = [planned_among(clip_ids, cache) for cache in caches]
            check_known(clip_ids, frozenset().union(*named), table, does="lists")
            chosen |= _in_every_cache(named, caches)
        if not absent:
            return cls(chosen, {cache.path: frozenset() for cache in caches})
        gone = _in_every_cache([planned_among(absent, cache) for cache in caches], caches)
        for cache in caches:
            every = chosen[cache.path]
            every = frozenset((*cache.planned_manifest.ids, *cache.clip_ids)) if every is None else every
            chosen[cache.path] = every - gone[cache.path]
        return cls(chosen, gone)

    def of_cache(self, cache: Cache) -> frozenset[str] | None:
        """Return the chosen clips of a cache; None for all."""
        return self.chosen[cache.path]

    def left_out(self, cache: Cache) -> dict[str, int]:
        """Count the stored clips that are not chosen, by what leaves them out."""
        chosen = self.chosen[cache.path]
        gone = set() if chosen is None else set(cache.clip_ids) - chosen
        n_absent = len(gone & self.absent[cache.path])
        counts = {NOT_GIVEN: n_absent, "--clips": len(gone) - n_absent}
        return {reason: n for reason, n in counts.items() if n}

    def missing(self, cache: Cache) -> tuple[str, ...]:
        """Return the chosen clips that a cache lacks."""
        chosen = self.chosen[cache.path]
        return tuple(clip_id for clip_id in cache.missing if chosen is None or clip_id in chosen)


def _in_every_cache(named: Sequence[frozenset[str]], caches: Sequence[Cache]) -> dict[Path, frozenset[str]]:
    takes = {take for cache, ids in zip(caches, named, strict=True) for take in _performances(cache, ids)}
    return {c.path: ids or _of_performances(c, takes) for c, ids in zip(caches, named, strict=True)}


def planned_among(clip_ids: Collection[str], cache: Cache) -> frozenset[str]:
    """Return those of some clips that belong in a cache, stored or not."""
    names = np.array(list(clip_ids), object)
    planned = cache.planned_manifest.ids.places(names) >= 0
    return frozenset(names[planned | (cache.clip_ids.places(names) >= 0)].tolist())


def _performances(cache: Cache, clip_ids: Collection[str]) -> set[str]:
    manifest = cache.planned_manifest
    rows = manifest.ids.places(clip_ids)
    return set(manifest.columns.table["performance_id"].take(rows[rows >= 0]).to_pylist())


def _of_performances(cache: Cache, takes: Collection[str]) -> frozenset[str]:
    table = cache.planned_manifest.columns.table.select(["clip_id", "performance_id"])
    pairs = zip(*table.to_pydict().values(), strict=True)
    return frozenset(clip_id for clip_id, take in pairs if take in takes)
