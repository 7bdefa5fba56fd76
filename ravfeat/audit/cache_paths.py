"""Where a run's caches lie now, and whether they are what the run was made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.cache import Cache, open_cache, require_caches
from ravfeat.errors import CacheError

__all__ = ["CacheLocation", "locate_caches"]

_CHECK = "caches unchanged"
_CORPUS_OF_SIDE = {"train_cache": "train_corpus", "test_cache": "test_corpus"}
"""Where the two caches of a pair stand in a recipe, and the name of each one's corpus beside it."""


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


def locate_caches(
    recipe: Mapping[str, Any], paths: Sequence[Path], *, without: bool = False
) -> tuple[CacheLocation, ...]:
    """Find the caches that a recipe names.

    Parameters
    ----------
    recipe : mapping
        What ``recipe.json`` holds.
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
    recorded = {str(entry["path"]): entry | {"corpus": corpus} for entry, corpus in _caches(recipe)}
    candidates = _by_fingerprint(paths)
    wanted = {str(entry["fingerprint"]) for entry in recorded.values()}
    if candidates and not wanted & candidates.keys():
        first = min(cache.path for caches in candidates.values() for cache in caches)
        raise CacheError(
            f"the run was not made from {first}: it needs the fingerprints {', '.join(sorted(wanted)) or 'of no cache'}"
        )
    return tuple(_locate(Path(path), entry, candidates, without=without) for path, entry in recorded.items())


def _caches(node: object, corpus: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Give every cache that a recipe records, wherever it stands: a path with the fingerprint of what lay there.

    Its corpus stands beside it, or above it where caches are concatenated; above a pair, one of each side.
    """
    if isinstance(node, Mapping):
        corpus = str(node.get("corpus", corpus))
        if isinstance(node.get("path"), str) and isinstance(node.get("fingerprint"), str):
            yield dict(node), corpus
        for name, child in node.items():
            yield from _caches(child, str(node.get(_CORPUS_OF_SIDE.get(name, ""), corpus)))
    elif isinstance(node, list):
        for child in node:
            yield from _caches(child, corpus)


def _by_fingerprint(paths: Sequence[Path]) -> dict[str, list[Cache]]:
    caches: dict[str, list[Cache]] = {}
    for folder in paths:
        for cache in map(open_cache, require_caches(folder)):
            caches.setdefault(cache.fingerprint, []).append(cache)
    return caches


def _moved_to(path: Path, recorded: Mapping[str, Any], candidates: Sequence[Cache]) -> Path:
    """Give the candidate that holds what is recorded, else the one of its corpus, else the recorded place."""
    # By content first: one encoder's caches of two corpora, or of one corpus twice, share a fingerprint.
    for cache in candidates:
        if cache.content_sha256() == recorded.get("content_sha256"):
            return cache.path
    # A changed cache of the right corpus is found too, so that a line can tell that it changed.
    for cache in candidates:
        if cache.about["corpus"] == recorded["corpus"]:
            return cache.path
    if not path.is_dir() and len(candidates) == 1 and not recorded["corpus"]:
        return candidates[0].path
    return path


def _locate(
    recorded_path: Path, recorded: Mapping[str, Any], candidates: Mapping[str, Sequence[Cache]], *, without: bool
) -> CacheLocation:
    path = _moved_to(recorded_path, recorded, candidates.get(str(recorded["fingerprint"]), ()))
    if not path.is_dir():
        if not without:
            raise CacheError(
                f"the cache {recorded_path} (fingerprint {recorded['fingerprint']}) is not there any more; say where"
                " it lies now with --cache DIR, or audit what can be audited --without-caches"
            )
        line = not_possible(_CHECK, recorded_path.name, f"{recorded_path} is not there any more")
        return CacheLocation(recorded_path, None, line)
    try:
        return CacheLocation(recorded_path, path, _compare(path, recorded))
    except CacheError as error:
        return CacheLocation(recorded_path, path, edited(_CHECK, path.name, f"it cannot be read: {error}"))


def _compare(path: Path, recorded: Mapping[str, Any]) -> Line:
    cache = open_cache(path)
    if cache.fingerprint != recorded["fingerprint"]:
        return edited(
            _CHECK,
            path.name,
            f"another cache lies at {path}: fingerprint {cache.fingerprint}, the run was made from"
            f" {recorded['fingerprint']}; say where that one is with --cache DIR",
        )
    return _compare_content(cache, recorded)


def _compare_content(cache: Cache, recorded: Mapping[str, Any]) -> Line:
    name, expected, digest = cache.path.name, recorded.get("content_sha256"), cache.content_sha256()
    if expected is None:
        return not_possible(_CHECK, name, "the run recorded no digest of what the cache held (an older ravfeat)")
    if expected != digest:
        return edited(
            _CHECK,
            name,
            f"what is stored in {cache.path} is not what the run was made from: digest {digest[:12]}, then"
            f" {str(expected)[:12]}; bring the cache of then back, or make the run again",
            content_sha256=digest,
            recorded=expected,
        )
    return pass_(
        _CHECK, name, f"{len(cache)} clips, digest {digest[:12]} as recorded", content_sha256=digest, clips=len(cache)
    )
