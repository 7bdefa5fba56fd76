"""The clips of a corpus as columns: what everything about it is counted from, whether a table or caches said it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.clips import SPAN
from ravfeat.corpora.columns import clip_columns
from ravfeat.corpora.tables import cell_text
from ravfeat.manifest import Clip, Manifest, is_unknown
from ravfeat.progress import track_progress
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = [
    "MOST_VALUES",
    "OWN_COLUMNS",
    "UNKNOWN",
    "Listing",
    "listing_of_caches",
    "listing_of_clips",
    "listing_of_records",
    "natural",
]

OWN_COLUMNS = ("clip_id", "performance", "actor", "gender", "label", "duration_s")
MOST_VALUES = 40
"""Different values of a column that can be crossed with others; more are names or measurements."""

UNKNOWN = "(unknown)"
"""Stands for the actors of clips of which nobody says who speaks."""

_UNHEARD = "unheard:"


@dataclass(frozen=True)
class Listing:
    """N clips of one corpus.

    Attributes
    ----------
    corpus : str
    records : tuple of ClipRecord
        Sorted by ``clip_id``; without digests where nothing was decoded.
    columns : mapping of str to tuple of str
        ``clip_id``, ``performance``, ``actor`` (without the corpus), ``gender``, ``label`` and every further column
        that holds names, N texts each.
    numbers : mapping of str to ndarray of shape (N,), float64
        Further columns that hold numbers.
    durations_s : ndarray of shape (N,), float64
        NaN where nobody could tell.
    synthetic : bool
    left_out : mapping of str to int
        Files that are no clips of this corpus, by reason.
    """

    corpus: str
    records: tuple[ClipRecord, ...]
    columns: dict[str, tuple[str, ...]]
    numbers: dict[str, NDArray[np.float64]]
    durations_s: NDArray[np.float64]
    synthetic: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.records)

    @property
    def actors(self) -> tuple[str, ...]:
        """Actor of every clip."""
        return self.columns["actor"]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of every clip."""
        return self.columns["label"]

    @property
    def digests(self) -> tuple[str, ...]:
        """Digest of what every clip was decoded to; empty where nobody decoded it."""
        return tuple("" if row.input_sha256.startswith(_UNHEARD) else row.input_sha256 for row in self.records)

    def heard(self, digests: Mapping[int, str]) -> "Listing":
        """Give the same clips with the digests of some rows."""
        rows = [
            replace(row, input_sha256=digests.get(place, row.input_sha256)) for place, row in enumerate(self.records)
        ]
        return replace(self, records=tuple(rows))

    @property
    def groupings(self) -> dict[str, tuple[str, ...]]:
        """Further columns of few values: sessions, splits, sentences, languages, microphones."""
        further = {name: values for name, values in self.columns.items() if name not in OWN_COLUMNS}
        return {name: values for name, values in further.items() if 1 < len(set(values)) <= MOST_VALUES}


def natural(text: str) -> tuple[bool, float, str]:
    """Sort numbers by their value, and before names.

    Examples
    --------
    >>> sorted(["10", "9", "a"], key=natural)
    ['9', '10', 'a']
    """
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def listing_of_clips(manifest: Manifest) -> Listing:
    """List the clips of a table or folder; nothing is decoded."""
    records = [_record(clip) for clip in manifest]
    durations_s = manifest.columns.durations_s
    return _listing(manifest.corpus, records, durations_s, synthetic=manifest.synthetic, left_out=manifest.skipped)


def listing_of_caches(caches: Sequence[Cache]) -> Listing:
    """List the clips that at least one of some caches of one corpus holds, as the first that has it says."""
    records: dict[str, ClipRecord] = {}
    numbers = [(cache, number) for cache in caches for number in cache.shards]
    for cache, number in track_progress(numbers, desc="reading shards", unit="shard", leave=False, delay=1.0):
        for record in cache.header(number).clips:
            records.setdefault(record.clip_id, record)
    about = caches[0].about
    listing = listing_of_records(str(about["corpus"]), records.values(), synthetic=bool(about["synthetic"]))
    silences = np.array([_silence(row) for row in listing.records])
    rates = tuple(f"{row.rate_hz:g}" for row in listing.records)
    return replace(
        listing,
        columns=listing.columns | ({"rate_hz": rates} if len(set(rates)) > 1 and about["stream"] == "audio" else {}),
        numbers=listing.numbers | ({"silence": silences} if np.isfinite(silences).any() else {}),
    )


def listing_of_records(corpus: str, records: Iterable[ClipRecord], *, synthetic: bool = False) -> Listing:
    """List clips as shards describe them."""
    rows = sorted(records, key=lambda row: row.clip_id)
    durations_s = np.array([row.n_samples / row.rate_hz if row.rate_hz > 0 else np.nan for row in rows])
    return _listing(corpus, rows, durations_s, synthetic=synthetic)


def _silence(record: ClipRecord) -> float:
    """Share of a clip before and after its speech, where the shard says it."""
    start, end = (record.further.get(name) for name in ACTIVE_COLUMNS)
    return 1 - (end - start) if isinstance(start, float) and isinstance(end, float) else np.nan


def _record(clip: Clip) -> ClipRecord:
    # A digest of its own: clips whose sound nobody has heard are not one recording.
    digest = f"{_UNHEARD}{clip.clip_id}"
    return ClipRecord(
        clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label, 0, 0.0, digest, "", 0, 0,
        further=clip.further,
    )  # fmt: skip


def _listing(
    corpus: str,
    records: Iterable[ClipRecord],
    durations_s: NDArray[np.float64],
    *,
    synthetic: bool,
    left_out: Mapping[str, int] | None = None,
) -> Listing:
    rows = tuple(records)
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    table = clip_columns(rows)
    for name in table.column_names:
        cells = table[name].to_pylist()
        # Sessions and the like are numbers in a table, and names in what they mean.
        if name in SPAN:
            continue
        if name in OWN_COLUMNS or not any(isinstance(cell, float) for cell in cells) or len(set(cells)) <= MOST_VALUES:
            texts[name] = tuple(map(cell_text, cells))
        else:
            numbers[name] = np.array([np.nan if cell is None else float(cell) for cell in cells])
    # Whoever is unknown may be anybody: one group, so that nobody is held to be a person of their own.
    people = zip(rows, texts["actor"], strict=True)
    texts["actor"] = tuple(UNKNOWN if is_unknown(row.actor) else actor for row, actor in people)
    return Listing(corpus, rows, texts, numbers, durations_s, synthetic, dict(left_out or {}))
