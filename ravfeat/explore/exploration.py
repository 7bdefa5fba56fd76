"""Put together what is known of a corpus before training: from its files where they are, and from its caches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ravfeat.cache import Cache
from ravfeat.errors import UsageError
from ravfeat.explore import embedding, separability
from ravfeat.explore.counts import Counts, count
from ravfeat.explore.doubts import Doubt, doubts, listed, times
from ravfeat.explore.fitting import Fit, fitting
from ravfeat.explore.listing import Listing, listing_of_caches, listing_of_clips
from ravfeat.explore.neighbours import feature_pairs
from ravfeat.explore.pooled import cache_rows, drawn, pool_clips
from ravfeat.explore.recordings import Pair, equal_pairs, pair_doubts
from ravfeat.explore.sound import Sounds, listen
from ravfeat.manifest import Manifest
from ravfeat.short_repr import short_repr

__all__ = ["CacheFacts", "Exploration", "explore_corpus"]


@short_repr
@dataclass(frozen=True)
class CacheFacts:
    """What one cache tells.

    Attributes
    ----------
    name : str
        Of the encoder.
    stream : str
    layers : tuple of int
        All that are stored.
    n_clips, n_looked : int
        Clips that it holds, and those that were compared and drawn.
    missing : mapping of str to str
        Clips that belong in it and are not stored, with the reason; empty where nobody tried.
    pairs : tuple of Pair
    embedding : Embedding or None
    separability : Separability
    layer : int
        That pairs and the embedding are of.
    """

    name: str
    stream: str
    layers: tuple[int, ...]
    n_clips: int
    n_looked: int
    missing: Mapping[str, str]
    pairs: tuple[Pair, ...]
    embedding: embedding.Embedding | None
    separability: separability.Separability
    layer: int


@short_repr
@dataclass(frozen=True)
class Exploration:
    """Everything that was found.

    Attributes
    ----------
    listing : Listing
    counts : Counts
    fits : tuple of Fit
    doubts : tuple of Doubt
        Grave ones first.
    pairs : tuple of Pair
        Clips that are, or may be, one recording.
    sounds : Sounds or None
        None where only caches were given.
    caches : tuple of CacheFacts
    refused : str
        Why ``ravfeat extract`` would not take the table; empty where it would.
    """

    listing: Listing
    counts: Counts
    fits: tuple[Fit, ...]
    doubts: tuple[Doubt, ...]
    pairs: tuple[Pair, ...]
    sounds: Sounds | None
    caches: tuple[CacheFacts, ...]
    refused: str = ""


def explore_corpus(
    manifest: Manifest | None,
    root: Path | None,
    caches: Sequence[Cache],
    *,
    sample: int,
    refused: tuple[Doubt, ...] = (),
    why_refused: str = "",
) -> Exploration:
    """Look at a corpus.

    Parameters
    ----------
    manifest : Manifest, optional
        Of a table or a folder, whose files lie below `root`.
    root : Path, optional
    caches : sequence of Cache
        Of the same corpus; needed where there is no manifest.
    sample : int
        Clips that are decoded, compared and drawn at most; drawn at random, the same ones every time.
    refused : tuple of Doubt
        What was found wrong with rows of the table, and `why_refused` what ``ravfeat extract`` says of it.

    Raises
    ------
    UsageError
        For caches of different corpora.
    """
    _check_one_corpus(manifest, caches)
    listing = listing_of_caches(caches) if manifest is None else listing_of_clips(manifest)
    sounds = None
    if manifest is not None and root is not None:
        rows = drawn(np.arange(len(listing)), sample).tolist()
        sounds = listen(listing, list(manifest), root, rows)
        listing = listing.heard({clip.row: clip.sha256 for clip in sounds.clips})
    looked = tuple(facts for cache in caches if (facts := _cache_facts(cache, listing, sample)) is not None)
    pairs = _united(
        [equal_pairs(listing), sounds.pairs if sounds else (), *(_unheard(facts, sounds) for facts in looked)]
    )
    notes = [Doubt("table", note) for note in manifest.notes] if manifest else []
    found = [
        *refused,
        *notes,
        *doubts(listing),
        *(sounds.doubts if sounds else ()),
        *pair_doubts(pairs),
        *_missing(looked),
    ]
    return Exploration(
        listing, count(listing), fitting(listing), tuple(sorted(found, key=lambda doubt: not doubt.grave)), pairs,
        sounds, looked, why_refused,
    )  # fmt: skip


def _check_one_corpus(manifest: Manifest | None, caches: Sequence[Cache]) -> None:
    corpora = dict.fromkeys(
        [*([manifest.corpus] if manifest else []), *(str(cache.about["corpus"]) for cache in caches)]
    )
    if len(corpora) > 1:
        raise UsageError(
            f"these are of different corpora: {', '.join(corpora)}; explore each by itself ('ravfeat fit-heads"
            " --train-on A --test-on B' tests heads of one on the other)"
        )


def _cache_facts(cache: Cache, listing: Listing, sample: int) -> CacheFacts | None:
    rows = cache_rows(cache, listing)
    if not len(rows):
        return None
    probed = separability.separability(
        listing, pool_clips(cache, listing, separability.probed_rows(listing, drawn(rows, sample)))
    )
    layer = probed.best.layer if probed.best else cache.layers[len(cache.layers) // 2]
    pooled = pool_clips(cache, listing, drawn(rows, min(sample, embedding.MOST_CLIPS)), layers=[layer])
    missing = {clip_id: cache.failed.get(clip_id, "") for clip_id in cache.missing}
    return CacheFacts(
        str(cache.about["encoder"]), str(cache.about["stream"]), cache.layers, len(cache), len(pooled.rows), missing,
        feature_pairs(cache, listing, pooled, layer), embedding.embed(listing, pooled, layer), probed, layer,
    )  # fmt: skip


def _unheard(facts: CacheFacts, sounds: Sounds | None) -> Iterator[Pair]:
    """Pairs by features whose sound was not compared: where it was, it knows better."""
    heard = set() if sounds is None else set(sounds.compared)
    return (pair for pair in facts.pairs if not {pair.a, pair.b} <= heard)


def _united(groups: Iterable[Iterable[Pair]]) -> tuple[Pair, ...]:
    """Each pair once, as the first that found it says; those that cross actors or labels first."""
    pairs: dict[tuple[str, str], Pair] = {}
    for pair in (pair for group in groups for pair in group):
        pairs.setdefault((pair.a, pair.b), pair)
    return tuple(sorted(pairs.values(), key=lambda pair: (-len(pair.crosses), -pair.similarity, pair.a, pair.b)))


def _missing(caches: Sequence[CacheFacts]) -> Iterator[Doubt]:
    for facts in caches:
        if facts.missing:
            reasons = listed(
                [f"{clip_id}: {reason or 'not tried yet'}" for clip_id, reason in facts.missing.items()], 3
            )
            yield Doubt(
                "not stored", f"{facts.name} lacks {times(len(facts.missing), 'clip')} of its corpus: {reasons}",
                tuple(facts.missing),
            )  # fmt: skip
