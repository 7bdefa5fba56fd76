"""Schemas of a published head's documents: ``head.toml``, ``learned.json``, ``clips.json``, ``recordings.json``."""

from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Ge, Le, Predicate
from typing_extensions import TypedDict

from ravfeat.cache.origin_file import PublishedOrigin
from ravfeat.documents import Count, Index, NotEmpty, Text
from ravfeat.fusion import LARGEST, Choice
from ravfeat.heads.recipe import HeadFormat
from ravfeat.model_origin import ModelOrigin
from ravfeat.numerics.parts import is_statistic
from ravfeat.runs.recipe import ReplacedLabels
from ravfeat.schema import Rule, Select

__all__ = [
    "LONGEST_S",
    "SHORTEST_S",
    "CacheEntry",
    "FoldClips",
    "HeadFile",
    "LearnedEntry",
    "LearnedFile",
    "PublishedFormat",
    "Recordings",
    "ScoreEntry",
    "ScoredMetric",
    "SystemEntry",
    "TransferEntry",
]

_Temperature = Annotated[float, Ge(1e-12), Le(1e12)]
_Weight = Annotated[float, Ge(0), Le(1.001 * LARGEST)]

SHORTEST_S, LONGEST_S = 0.1, 600.0
"""Lengths of a window: what a document claims must not cut a recording into a million."""


class PublishedFormat(HeadFormat):
    """What says whether the rest can be read, and is whole."""

    sha256: str
    ravfeat: NotRequired[str]


class CacheEntry(TypedDict):
    """A cache that a system reads; see `ravfeat.published.parts.Need`."""

    encoder: Text
    fingerprint: Text
    content_sha256: Text
    read_layers: NotRequired[Annotated[list[Index], NotEmpty]]
    views: NotRequired[Annotated[list[Text], NotEmpty]]
    identity: dict[str, Any]
    model: NotRequired[ModelOrigin]


class _ReadingOfOne(TypedDict):
    window: Count
    statistics: list[Annotated[Text, Predicate(is_statistic)]]


class _Reading(_ReadingOfOne):
    also: NotRequired[list[_ReadingOfOne]]


class SystemEntry(TypedDict):
    """A system; see `ravfeat.published.parts.PublishedSystem`."""

    stream: Literal["audio", "face", "other", "joint", "av"]
    features: Text
    head: Text
    seeds: Annotated[list[Index], NotEmpty]
    trained_on: Text
    average_views: NotRequired[Literal["scores", "statistics"]]
    reading: _Reading
    caches: Annotated[list[CacheEntry], NotEmpty]


ScoredMetric = Literal["uar", "wa"]

_Score = Annotated[float, Ge(0), Le(1)]


class ScoreEntry(TypedDict):
    """One metric of one system, pooled over folds; see `ravfeat.published.scores`. Some runs have no interval."""

    stream: Text
    features: Text
    head: Text
    metric: ScoredMetric
    value: _Score
    ci_low: NotRequired[_Score]
    ci_high: NotRequired[_Score]
    protocol: Text
    n: Count


class _Refit(TypedDict):
    score: str
    inner_folds: Count
    clips: Count
    chosen_by: str


class _Chosen(TypedDict):
    stream: str
    features: str
    head: str
    fold: Index | Literal["refit"]
    seed: Index
    chosen: dict[str, Any]
    settings: dict[str, Any]


class _Labels(TypedDict):
    train: dict[str, Text]
    test: dict[str, Text]


class TransferEntry(TypedDict):
    """Two corpora: the heads learned from ``train`` (so many actors and clips) and were tested on ``test``."""

    train: Text
    test: Text
    labels: _Labels
    actors: Count
    clips: Count


class HeadFile(TypedDict):
    """``head.toml``."""

    name: Text
    ravfeat: Text
    corpus: Text
    cross_corpus: NotRequired[TransferEntry]
    synthetic: bool
    data_terms: str
    classes: list[Text]
    protocol: Text
    leaky: bool
    select: Select
    folds: Count
    actors: Count
    clips: Count
    window_s: NotRequired[Annotated[float, Ge(SHORTEST_S), Le(LONGEST_S)]]
    run_sha256: Text
    rule: NotRequired[Rule]
    replaced_labels: NotRequired[ReplacedLabels]
    changes: NotRequired[list[str]]
    made_from: NotRequired[list[PublishedOrigin]]
    tries: NotRequired[str]
    plan: dict[str, Any]
    versions: dict[str, str]
    systems: Annotated[list[SystemEntry], NotEmpty]
    refit: NotRequired[_Refit]
    scores: NotRequired[list[ScoreEntry]]
    sources: NotRequired[Annotated[list[Index | Literal["refit"]], NotEmpty]]
    check: str
    chosen: list[_Chosen]
    files: dict[str, str]


_FusedTemperatures = TypedDict(
    "_FusedTemperatures", {"fused": _Temperature, "fused-linear": _Temperature, "fused-loglinear": _Temperature}
)


class _Fusion(TypedDict):
    system_temperatures: list[_Temperature]
    chosen: Choice
    single: Index
    linear: list[_Weight]
    loglinear: list[_Weight]
    temperatures: _FusedTemperatures


class LearnedEntry(TypedDict):
    """What was learned with one set of heads; see `ravfeat.published.parts.Learned`."""

    temperatures: list[_Temperature]
    fusion: NotRequired[_Fusion]


class _FoldLearned(LearnedEntry):
    fold: Index


class LearnedFile(TypedDict):
    """``learned.json``."""

    folds: Annotated[list[_FoldLearned], NotEmpty]
    refit: NotRequired[LearnedEntry]


class FoldClips(TypedDict):
    """An entry of ``clips.json``: of one fold, the tested clips of every system, as clip and performance."""

    fold: Index
    systems: list[list[tuple[Text, Text]]]


class Recordings(TypedDict):
    """An entry of ``recordings.json``: training clips as a system calls them, with the digests of what was decoded."""

    stream: Text
    system: Index
    clips: list[tuple[Text, Text]]
