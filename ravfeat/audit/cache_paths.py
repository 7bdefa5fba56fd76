"""Where a run's caches lie now, and whether they are what the run was made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.cache import Cache, open_cache, require_caches
from ravfeat.errors import CacheError

__all__ = ["Place", "find_places"]

_CHECK = "caches unchanged"
_SIDES = {"train_cache": "train_corpus", "test_cache": "test_corpus"}
"""Where the two caches of a pair stand in a recipe, and the name of each one's corpus beside it."""


@dataclass(frozen=True)
class Place:
    """A cache that a run was made from.

    Attributes
    ----------
    recorded : Path
        Where it lay when the run was made.
    now : Path or None
        Where it lies; None where it is gone.
    line : Line
        Whether it holds what it held.
    """

    recorded: Path
    now: Path | None
    line: Line

    @property
    def unchanged(self) -> bool:
        """Whether what is read from it is what the run was made from."""
        return self.line.verdict == "pass"


def find_places(recipe: Mapping[str, Any], given: Sequence[Path], *, without: bool = False) -> tuple[Place, ...]:
    """Find the caches that a recipe names.

    Parameters
    ----------
    recipe : mapping
        What ``recipe.json`` holds.
    given : sequence of Path
        Caches, or folders of caches, to look among first; they are told by fingerprint and by what they hold, or by
        their corpus: one encoder's caches of two corpora share a fingerprint.
    without : bool
        Go on where a cache is gone.

    Raises
    ------
    CacheError
        Where a cache is neither at its recorded place nor among those given, or a given one is none of the run's.
    """
    recorded = {str(one["path"]): one | {"corpus": corpus} for one, corpus in _caches(recipe)}
    moved = _by_fingerprint(given)
    wanted = {str(one["fingerprint"]) for one in recorded.values()}
    if moved and not wanted & moved.keys():
        first = min(cache.path for caches in moved.values() for cache in caches)
        raise CacheError(
            f"the run was not made from {first}: it needs the fingerprints {', '.join(sorted(wanted)) or 'of no cache'}"
        )
    return tuple(_place(Path(path), one, moved, without=without) for path, one in recorded.items())


def _caches(node: object, corpus: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Every cache that a recipe tells of, wherever it stands: a path with the fingerprint of what lay there.

    Its corpus stands beside it, or above it in a join; above a pair, one of each side.
    """
    if isinstance(node, Mapping):
        corpus = str(node.get("corpus", corpus))
        if isinstance(node.get("path"), str) and isinstance(node.get("fingerprint"), str):
            yield dict(node), corpus
        for name, child in node.items():
            yield from _caches(child, str(node.get(_SIDES.get(name, ""), corpus)))
    elif isinstance(node, list):
        for child in node:
            yield from _caches(child, corpus)


def _by_fingerprint(given: Sequence[Path]) -> dict[str, list[Cache]]:
    found: dict[str, list[Cache]] = {}
    for folder in given:
        for cache in map(open_cache, require_caches(folder)):
            found.setdefault(cache.fingerprint, []).append(cache)
    return found


def _moved_to(path: Path, recorded: Mapping[str, Any], candidates: Sequence[Cache]) -> Path:
    """Give the candidate that holds what is recorded, else the one of its corpus, else the recorded place."""
    for cache in candidates:
        if cache.content_sha256() == recorded.get("content_sha256"):
            return cache.path
    for cache in candidates:
        if cache.about["corpus"] == recorded["corpus"]:
            return cache.path
    if not path.is_dir() and len(candidates) == 1 and not recorded["corpus"]:
        return candidates[0].path
    return path


def _place(path: Path, recorded: Mapping[str, Any], moved: Mapping[str, Sequence[Cache]], *, without: bool) -> Place:
    now = _moved_to(path, recorded, moved.get(str(recorded["fingerprint"]), ()))
    if not now.is_dir():
        if not without:
            raise CacheError(
                f"the cache {path} (fingerprint {recorded['fingerprint']}) is not there any more; say where it lies now"
                " with --cache DIR, or audit what can be audited --without-caches"
            )
        return Place(path, None, not_possible(_CHECK, path.name, f"{path} is not there any more"))
    try:
        return Place(path, now, _compare(now, recorded))
    except CacheError as error:
        return Place(path, now, edited(_CHECK, now.name, f"it cannot be read: {error}"))


def _compare(now: Path, recorded: Mapping[str, Any]) -> Line:
    cache = open_cache(now)
    if cache.fingerprint != recorded["fingerprint"]:
        return edited(
            _CHECK,
            now.name,
            f"another cache lies at {now}: fingerprint {cache.fingerprint}, the run was made from"
            f" {recorded['fingerprint']}; say where that one is with --cache DIR",
        )
    return _compare_content(cache, recorded)


def _compare_content(cache: Cache, recorded: Mapping[str, Any]) -> Line:
    where, said, found = cache.path.name, recorded.get("content_sha256"), cache.content_sha256()
    if said is None:
        return not_possible(_CHECK, where, "the run recorded no digest of what the cache held (an older ravfeat)")
    if said != found:
        return edited(
            _CHECK,
            where,
            f"what is stored in {cache.path} is not what the run was made from: digest {found[:12]}, then"
            f" {str(said)[:12]}; bring the cache of then back, or make the run again",
            content_sha256=found,
            recorded=said,
        )
    return pass_(
        _CHECK, where, f"{len(cache)} clips, digest {found[:12]} as recorded", content_sha256=found, clips=len(cache)
    )
