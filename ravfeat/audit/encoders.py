"""Encoders of a run that were trained on the corpus's actors, by a table of those known to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ravfeat.audit.contamination import TABLE, find_contamination
from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, leak, not_possible, warn
from ravfeat.cache import open_cache
from ravfeat.errors import CacheError

__all__ = ["check_encoders"]

_CHECK = "encoder has met the actors"
_CORPUS = "ravdess"


def check_encoders(context: RunContext) -> list[Line]:
    """Look every cache's encoder up in the table of those that were trained on RAVDESS."""
    caches = list(_caches(context.recipe))
    if not caches:
        return [not_possible(_CHECK, "", "the run names no cache, so nobody can tell what made its scores")]
    paths = {str(location.recorded): location.path for location in context.locations}
    corpora = {str(path): corpus for path, corpus in _corpora(context.recipe)}
    lines = {}
    for entry in caches:
        path = str(entry["path"])
        lines[path] = _look_up(entry, paths.get(path), corpora.get(path, ""))
    return list(lines.values())


def _look_up(recorded: Mapping[str, Any], path: Path | None, corpus: str) -> Line:
    name = str(recorded["features"])
    if corpus and corpus != _CORPUS:
        return not_possible(
            _CHECK, name, f"the table is of encoders that have met {_CORPUS}; this corpus is '{corpus}'"
        )
    names = [name, Path(str(recorded["path"])).name, *_provenance(path)]
    entry = find_contamination(names, str(recorded["identity"].get("weights", "")))
    if entry is None and "ravdess" in name.lower().replace("_", "-").split("-"):
        return warn(_CHECK, name, "its name says ravdess; it is not in the table: find out what it was trained on")
    if entry is None:
        return info(
            _CHECK, name, f"not in the table of {len(TABLE)} encoders known to; that is no proof that it has not"
        )
    evidence = {"hub_id": entry.hub_id, "what": entry.claim, "source": entry.source}
    # Labels that a contaminated model gave carry less than the labels themselves.
    line = leak if entry.kind == "trained" else warn
    return line(_CHECK, name, f"{entry.hub_id}: {entry.claim} ({entry.source})", **evidence)


def _provenance(path: Path | None) -> Iterator[str]:
    """Give every text in the first shard's record of how it was made."""
    if path is None:
        return
    try:
        cache = open_cache(path)
        values = [cache.header(cache.shards[0]).provenance, cache.about]
    except CacheError:  # another line says so
        return
    for mapping in values:
        yield from (value for value in mapping.values() if isinstance(value, str))


def _caches(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if {"path", "identity", "features"} <= node.keys() and isinstance(node["identity"], Mapping):
            yield node
        for child in node.values():
            yield from _caches(child)
    elif isinstance(node, list):
        for child in node:
            yield from _caches(child)


def _corpora(node: object, corpus: str = "") -> Iterator[tuple[str, str]]:
    """Give the corpus of every cache: it stands beside a cache's path, or above it where caches are concatenated."""
    if isinstance(node, Mapping):
        corpus = str(node.get("corpus", corpus))
        if "path" in node and "identity" in node:
            yield str(node["path"]), corpus
        for child in node.values():
            yield from _corpora(child, corpus)
    elif isinstance(node, list):
        for child in node:
            yield from _corpora(child, corpus)
