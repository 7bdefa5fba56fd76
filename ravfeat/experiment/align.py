"""Several caches that feed one head: which clip of one is which clip of the other.

A performance may be another file for another encoder, so clips are joined by performance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import CacheError, CorpusError, UsageError, format_missing

__all__ = ["Alignment", "align"]

_NAMED = 5


@dataclass(frozen=True)
class Alignment:
    """Performances that all caches of a join hold.

    Attributes
    ----------
    records : tuple of mapping of str to ClipRecord
        For each cache, in its order: performance to what its shards say of it. All have the same
        performances.
    missing : tuple of str
        Performances that some of the caches lack, sorted.
    """

    records: tuple[Mapping[str, ClipRecord], ...]
    missing: tuple[str, ...]


def align(caches: Sequence[Cache], *, allow_missing: bool = False, joint: bool = False) -> Alignment:
    """Match the clips of caches.

    Parameters
    ----------
    caches : sequence of Cache
        Two or more.
    allow_missing : bool
        Go on with the performances that all of them hold.
    joint : bool
        The caches are of different streams, for a head that reads them all.

    Raises
    ------
    UsageError
        Where the caches are of different streams (`joint`: two of one), or one is there twice.
    CacheError
        Where a cache lacks a performance of another, and nobody allowed that; where one holds a
        performance as two clips.
    CorpusError
        Where they do not agree on who acted a performance, or what.
    """
    if joint:
        _check_apart(caches)
    else:
        _check_alike(caches)
    records = [_by_performance(cache) for cache in caches]
    every = sorted(set().union(*records))
    missing = tuple(name for name in every if any(name not in own for own in records))
    if missing and not allow_missing:
        raise _missing(caches, records)
    kept = [name for name in every if name not in set(missing)]
    if not kept:
        listing = " and ".join(str(cache.path) for cache in caches)
        raise CacheError(f"{listing} have no performance in common; join caches of the same recordings")
    aligned = [{name: own[name] for name in kept} for own in records]
    for cache, own in zip(caches[1:], aligned[1:], strict=True):
        _check_agreed(caches[0], aligned[0], cache, own)
    return Alignment(tuple(aligned), missing)


def _check_alike(caches: Sequence[Cache]) -> None:
    paths = [cache.path.resolve() for cache in caches]
    if len(set(paths)) < max(2, len(paths)):
        raise UsageError(f"a join needs two or more different caches, got {', '.join(str(path) for path in paths)}")
    if len({cache.about["stream"] for cache in caches}) > 1:
        listing = "\n  ".join(f"{cache.about['stream']}: {cache.path}" for cache in caches)
        raise UsageError(
            "a join feeds caches of one stream to one head; give those of other streams a --cache of their own:\n"
            f"  {listing}"
        )


def _check_apart(caches: Sequence[Cache]) -> None:
    streams = [str(cache.about["stream"]) for cache in caches]
    if len(streams) < 2 or len(set(streams)) < len(streams):
        listing = "\n  ".join(f"{cache.about['stream']}: {cache.path}" for cache in caches)
        raise UsageError(
            "the head 'joint' is one network over several streams: give it one --cache of each (a voice, a face), got\n"
            f"  {listing}"
        )


def _by_performance(cache: Cache) -> dict[str, ClipRecord]:
    by_performance: dict[str, ClipRecord] = {}
    for record in cache.records().values():
        other = by_performance.setdefault(record.performance_id, record)
        if other is not record:
            raise CacheError(
                f"{cache.path} holds performance '{record.performance_id}' as the clips '{other.clip_id}' and"
                f" '{record.clip_id}': a join needs one clip per performance; give this cache a --cache of its own"
            )
    return by_performance


def _missing(caches: Sequence[Cache], records: Sequence[Mapping[str, ClipRecord]]) -> CacheError:
    gaps = format_missing([cache.path for cache in caches], records, _NAMED)
    return CacheError(
        f"joined caches must hold the same performances:\n{gaps}\nextract or import those, or go on with the"
        f" performances that all of them hold: --allow-missing"
    )


def _check_agreed(first: Cache, here: Mapping[str, ClipRecord], other: Cache, there: Mapping[str, ClipRecord]) -> None:
    for name, record in here.items():
        for what in ("actor", "gender", "label"):
            mine, theirs = getattr(record, what), getattr(there[name], what)
            if mine != theirs:
                raise CorpusError(
                    f"performance '{name}' has {what} '{mine}' in {first.path} and '{theirs}' in {other.path}; caches"
                    " of one corpus agree: make one of them again"
                )
