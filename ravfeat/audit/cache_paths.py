"""Where a run's caches lie now, and whether they are what the run was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.cache import Cache, open_cache, require_caches
from ravfeat.errors import CacheError
from ravfeat.runs.recipe import CacheOrigin, Recipe

__all__ = ["CacheLocation", "locate_caches"]

_CHECK = "caches unchanged"


@dataclass(frozen=True)
class CacheLocation:
    """A cache that a run was made from.

    Attributes
    ----------
    recorded : Path
        Where it lay when the run was made.
    path : Path or None
        Where it lies; None where it is gone.
    line : Line
        Whether it holds what it held.
    """

    recorded: Path
    path: Path | None
    line: Line

    @property
    def unchanged(self) -> bool:
        """Whether what is read from it is what the run was made from."""
        return self.line.verdict == "pass"


def locate_caches(recipe: Recipe, paths: Sequence[Path], *, without: bool = False) -> tuple[CacheLocation, ...]:
    """Find the caches that a recipe names.

    Parameters
    ----------
    recipe : Recipe
    paths : sequence of Path
        Caches, or folders of caches, to look among first; they are told by fingerprint and by what they hold, or by
        their corpus: one encoder's caches of two corpora share a fingerprint.
    without : bool
        Go on where a cache is gone.

    Raises
    ------
    CacheError
        Where a cache is neither at its recorded place nor among those given, or one of `paths` is none of the run's.
    """
    recorded = {origin.path: origin for origin in recipe.origins()}
    candidates = _by_fingerprint(paths)
    wanted = {origin.fingerprint for origin in recorded.values()}
    if candidates and not wanted & candidates.keys():
        first = min(cache.path for caches in candidates.values() for cache in caches)
        raise CacheError(
            f"the run was not made from {first}: it needs the fingerprints {', '.join(sorted(wanted)) or 'of no cache'}"
        )
    return tuple(_locate(origin, candidates, without=without) for origin in recorded.values())


def _by_fingerprint(paths: Sequence[Path]) -> dict[str, list[Cache]]:
    caches: dict[str, list[Cache]] = {}
    for folder in paths:
        for cache in map(open_cache, require_caches(folder)):
            caches.setdefault(cache.fingerprint, []).append(cache)
    return caches


def _moved_to(recorded: CacheOrigin, candidates: Sequence[Cache]) -> Path:
    """Give the candidate that holds what is recorded, else the one of its corpus, else the recorded place."""
    # By content first: one encoder's caches of two corpora, or of one corpus twice, share a fingerprint.
    for cache in candidates:
        if cache.content_sha256() == recorded.content_sha256:
            return cache.path
    # A changed cache of the right corpus is found too, so that a line can tell that it changed.
    for cache in candidates:
        if cache.about["corpus"] == recorded.corpus:
            return cache.path
    if not recorded.path.is_dir() and len(candidates) == 1 and not recorded.corpus:
        return candidates[0].path
    return recorded.path


def _locate(recorded: CacheOrigin, candidates: Mapping[str, Sequence[Cache]], *, without: bool) -> CacheLocation:
    path = _moved_to(recorded, candidates.get(recorded.fingerprint, ()))
    if not path.is_dir():
        if not without:
            raise CacheError(
                f"the cache {recorded.path} (fingerprint {recorded.fingerprint}) is not there any more; say where it"
                " lies now with --cache DIR, or audit what can be audited --without-caches"
            )
        line = not_possible(_CHECK, recorded.path.name, f"{recorded.path} is not there any more")
        return CacheLocation(recorded.path, None, line)
    try:
        return CacheLocation(recorded.path, path, _compare(path, recorded))
    except CacheError as error:
        return CacheLocation(recorded.path, path, edited(_CHECK, path.name, f"it cannot be read: {error}"))


def _compare(path: Path, recorded: CacheOrigin) -> Line:
    cache = open_cache(path)
    if cache.fingerprint != recorded.fingerprint:
        return edited(
            _CHECK,
            path.name,
            f"another cache lies at {path}: fingerprint {cache.fingerprint}, the run was made from"
            f" {recorded.fingerprint}; say where that one is with --cache DIR",
        )
    if recorded.identity and recorded.identity != cache.identity:  # it says who made the features
        return edited(_CHECK, path.name, f"the recipe tells another identity of {path} than the cache has")
    return _compare_content(cache, recorded.content_sha256)


def _compare_content(cache: Cache, expected: str) -> Line:
    name, digest = cache.path.name, cache.content_sha256()
    if not expected:
        return not_possible(_CHECK, name, "the run recorded no digest of what the cache held (an older ravfeat)")
    if expected != digest:
        return edited(
            _CHECK,
            name,
            f"what is stored in {cache.path} is not what the run was made from: digest {digest[:12]}, then"
            f" {expected[:12]}; bring the cache of then back, or make the run again",
            content_sha256=digest,
            recorded=expected,
        )
    return pass_(
        _CHECK, name, f"{len(cache)} clips, digest {digest[:12]} as recorded", content_sha256=digest, clips=len(cache)
    )
