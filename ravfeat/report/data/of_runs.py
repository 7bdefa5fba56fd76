"""The section of a report on the tested clips: counts, doubts, copies; from the caches where they are at hand."""

from collections.abc import Sequence
from dataclasses import replace

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import RavfeatError
from ravfeat.explore.counts import count
from ravfeat.explore.doubts import Doubt, doubts
from ravfeat.explore.listing import Listing, listing_of_records
from ravfeat.explore.recordings import equal_pairs, pair_doubts
from ravfeat.report.data.sections import contents_section, doubts_section
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Section

__all__ = ["data_section"]

_MOST_SHARDS = 64
"""Shards whose records are read for a report; of larger caches their number alone would slow it."""

_UNSEEN = ("gender", "duration")
"""Topics that predictions say nothing of."""


def data_section(graded: Sequence[Graded]) -> Section | None:
    """Say what was tested, from the predictions and, where they still hold what the run read, from its caches.

    One part for each corpus, by its first system; None where no predictions are.
    """
    first: dict[str, Graded] = {}
    for entry in graded:
        first.setdefault(entry.corpus, entry)
    parts = [_part(entry, number) for number, entry in enumerate(first.values(), start=1)]
    if not parts:
        return None
    words = "The clips that were tested, before any head; 'ravfeat explore' shows their sound and features as well."
    return Section("data", "The data", paragraphs=(words,), subsections=tuple(parts))


def _part(entry: Graded, number: int) -> Section:
    listing, from_cache = _tested(entry)
    found: list[Doubt] = [*doubts(listing), *pair_doubts(equal_pairs(listing))]
    looked = "From predictions and the cache that the run read."
    if not from_cache:
        found = [doubt for doubt in found if doubt.topic not in _UNSEEN]
        looked = (
            "From predictions alone: no cache of the run is at hand as it was, so that genders, lengths, copies and"
            " further columns are not known here."
        )
    contents, questions = contents_section(listing, count(listing), ()), doubts_section(found, looked)
    tables = (*(figure.table for figure in contents.figures), *contents.tables)
    return Section(
        f"data-{number}",
        entry.corpus or "Clips",
        paragraphs=(*contents.paragraphs, *questions.paragraphs),
        tables=tables,
        points=questions.points,
    )


def _tested(entry: Graded) -> tuple[Listing, bool]:
    """List the clips that were tested, as the cache knows them where it is there."""
    probs = entry.probs
    labels = [probs.classes[y] for y in probs.y]
    rows = list(zip(probs.clip_ids, probs.performance_ids, probs.actors, labels, strict=True))
    tested = {clip_id: (performance, actor, label) for clip_id, performance, actor, label in rows}
    if (cache := _cache_at_hand(entry)) is not None:
        records = cache.records(tested.keys())
        if all(clip_id in records and records[clip_id].actor == said[1] for clip_id, said in tested.items()):
            # The labels are those of the run: a table may have replaced the cache's.
            told = [replace(records[clip_id], label=said[2]) for clip_id, said in tested.items()]
            return listing_of_records(entry.corpus, told, synthetic=entry.synthetic), True
    plain = [
        ClipRecord(clip_id, performance, actor, "", label, 0, 0.0, "", "", 0, 0)
        for clip_id, (performance, actor, label) in tested.items()
    ]
    return listing_of_records(entry.corpus, plain, synthetic=entry.synthetic), False


def _cache_at_hand(entry: Graded) -> Cache | None:
    """Open a cache that the run was made from, where one lies at its place and holds what it held."""
    for origin in entry.run.recipe.origins():
        if origin.view or not origin.content_sha256 or not origin.path.is_dir():
            continue
        try:
            cache = open_cache(origin.path)
            if len(cache.shards) <= _MOST_SHARDS and cache.content_sha256() == origin.content_sha256:
                return cache
        except (RavfeatError, OSError):
            continue
    return None
