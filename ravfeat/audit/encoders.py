"""Encoders of a run that were trained on the corpus's actors, by a table of those known to."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ravfeat.audit.contamination import TABLE, find_contamination
from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, leak, not_possible, warn
from ravfeat.cache import open_cache
from ravfeat.errors import CacheError
from ravfeat.runs.recipe import CacheOrigin

__all__ = ["check_encoders", "look_up_encoder"]

_CHECK = "encoder has met the actors"
_CORPUS = "ravdess"


def check_encoders(context: RunContext) -> list[Line]:
    """Look every cache's encoder up in the table of those that were trained on RAVDESS."""
    caches = [origin for origin in context.recipe.origins() if origin.identity]
    if not caches:
        return [not_possible(_CHECK, "", "the run names no cache, so nobody can tell what made its scores")]
    paths = {location.recorded: location.path for location in context.locations}
    lines = {origin.path: _look_up(origin, paths.get(origin.path)) for origin in caches}
    return list(lines.values())


def _look_up(recorded: CacheOrigin, path: Path | None) -> Line:
    names = [recorded.path.name, *_provenance(path)]
    return look_up_encoder(recorded.features, recorded.corpus, str(recorded.identity.get("weights", "")), names)


def look_up_encoder(name: str, corpus: str, weights: str, names: Sequence[str] = ()) -> Line:
    """Look an encoder up by its name, by what else names it, and by the digest of its weights."""
    if corpus and corpus != _CORPUS:
        return not_possible(
            _CHECK, name, f"the table is of encoders that have met {_CORPUS}; this corpus is '{corpus}'"
        )
    entry = find_contamination([name, *names], weights)
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
