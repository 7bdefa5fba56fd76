"""Find the caches that a training names, say which are passed over, and leave out clips that were given no more."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.api.arguments import AnyPath, Many, as_paths
from ravfeat.api.observer import Observer
from ravfeat.cache import find_caches, resolve_cache
from ravfeat.corpora.last_table import absent_note, read_absent
from ravfeat.errors import CacheError, UsageError
from ravfeat.experiment.training_views import pass_over_views

__all__ = ["Inputs", "absent_clips", "find_inputs"]


@dataclass(frozen=True)
class Inputs:
    """Caches that are trained on.

    Attributes
    ----------
    caches : tuple of Path
    joins : tuple of tuple of Path
        Those that are concatenated for one head.
    train_views : tuple of Path
    absent : tuple of str
        Clips of them that are not in the table that was given last, and are left out.
    """

    caches: tuple[Path, ...]
    joins: tuple[tuple[Path, ...], ...]
    train_views: tuple[Path, ...]
    absent: tuple[str, ...] = ()


def find_inputs(
    caches: Many[AnyPath], concat: Many[str | Sequence[AnyPath]], train_views: Many[AnyPath], observer: Observer
) -> Inputs:
    """Find the caches that --cache, --concat and --train-views name; without the first two, all under cache/ but views.

    Parameters
    ----------
    caches, train_views : path, or several
    concat : str, or several of str or sequence of path
        Each of them is two or more caches: ``"a,b"`` or ``("a", "b")``.
    observer : Observer

    Raises
    ------
    UsageError
        Where a --concat does not name two or more.
    CacheError
        Where there is no cache at one of them, or more than one.
    """
    view_paths = tuple(map(resolve_cache, as_paths("train_views", train_views)))
    listings = [concat] if isinstance(concat, str | os.PathLike) else concat
    joins = tuple(_concatenated(listing) for listing in listings)
    paths = tuple(map(resolve_cache, as_paths("caches", caches)))
    if not paths and not joins:
        paths = _all_but_views(view_paths, observer)
    absent = absent_clips([*paths, *(path for join in joins for path in join)], observer)
    return Inputs(paths, joins, view_paths, absent)


def _concatenated(listing: AnyPath | Sequence[AnyPath]) -> tuple[Path, ...]:
    if isinstance(listing, str):
        parts: Sequence[AnyPath] = [part.strip() for part in listing.split(",")]
    else:
        parts = as_paths("concat", listing)
    if len(parts) < 2 or not all(map(str, parts)):
        raise UsageError(
            f"--concat '{listing}': expected two or more caches with commas between them: --concat DIR,DIR"
        )
    return tuple(resolve_cache(Path(part)) for part in parts)


def _all_but_views(train_views: Sequence[Path], observer: Observer) -> tuple[Path, ...]:
    paths, passed = pass_over_views(find_caches(Path("cache")))
    used = {path.resolve() for path in train_views}
    for path, view in passed.items():
        if path.resolve() not in used:
            observer.warning(f"passed over {path}: the view '{view}' is for 'ravfeat fit-heads --train-views'")
    if not paths:
        but = " but views" if passed else ""
        raise CacheError(f"no cache under cache/{but}; make one with 'ravfeat extract', or name it with --cache DIR")
    return tuple(paths)


def absent_clips(caches: Iterable[Path], observer: Observer) -> tuple[str, ...]:
    """Give the clips of caches that are not in the table given last, sorted, and warn that they are left out."""
    absent: set[str] = set()
    for cache in dict.fromkeys(caches):
        absent.update(read_absent(cache))
        if note := absent_note(cache):
            observer.warning(note)
    return tuple(sorted(absent))
