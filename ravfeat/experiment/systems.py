"""Open the caches of a plan as systems: features and clips under a protocol, with folds that were checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.cache.origin_file import read_origin
from ravfeat.corpora.labels import LabelledClips
from ravfeat.errors import UsageError
from ravfeat.experiment.align import check_fold_by_fold
from ravfeat.experiment.choose import ChosenClips, choose_clips
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.training_views import TrainingView, match_views, open_views, tested_on, trained_on
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_concatenated, load_features
from ravfeat.features.normalise import check_actors, standardised_by_actor
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads.registry import several_streams
from ravfeat.protocols.folds import Fold, fold_counts, make_folds, settled
from ravfeat.protocols.named import Protocol
from ravfeat.schema import ACTOR_NORMALISED, AVERAGED, AverageViews

__all__ = ["CacheSystem", "OpenSystems", "open_systems", "origin_of"]


@dataclass(frozen=True)
class CacheSystem:
    """The features of one cache, or of several concatenated ones, with the folds of one protocol.

    Attributes
    ----------
    caches : tuple of Cache
        Of one stream, more than one where they are concatenated for one head; or one of each stream for a joint head.
    features : str
        What to call the features: the encoder, and the cache's fingerprint where two share it; the
        encoders of concatenated caches with a plus between them.
    clips : LabelledClips
        As the first cache knows them.
    clip_ids : tuple of tuple of str
        For each cache, what it calls these clips, in the order of ``clips.records``.
    folds : list of Fold
    missing : tuple of str
        Clips (of several caches: performances) that belong to the corpus and are not here, or not in another system.
    views : tuple of TrainingView
        Augmented views of the clips; they add training rows.
    average : {"none", "scores", "statistics"}
        What of a clip is averaged over the clip and these; see `DataPlan.average_views`.
    head : str
        Name of the head that reads several streams, where the caches are for it alone.
    narrowed : mapping of str to int
        Stored clips that are left out on purpose, by what leaves them out.
    by_actor : bool
        Whether each actor is standardised by all their clips, see `DataPlan.normalise`.
    leaky : bool
        Whether clips of one actor are on both sides, by the protocol's rule or by the split that was given.
    """

    caches: tuple[Cache, ...]
    features: str
    clips: LabelledClips
    clip_ids: tuple[tuple[str, ...], ...]
    folds: list[Fold]
    missing: tuple[str, ...]
    views: tuple[TrainingView, ...] = ()
    average: AverageViews = "none"
    head: str = ""
    narrowed: Mapping[str, int] = field(default_factory=dict)
    by_actor: bool = False
    leaky: bool = False

    @property
    def rows(self) -> TrainingRows:
        """The clips' rows, and those of their views where these are rows of their own."""
        views = [] if self.average == "statistics" else [view.rows for view in self.views]
        return TrainingRows.of(len(self.clips.records), views, averages=self.average == "scores")

    @property
    def stream(self) -> str:
        """Stream of the caches; where they are of several, what the head calls them together."""
        kind = several_streams(self.head)
        return str(self.caches[0].about["stream"]) if kind is None else kind.stream

    @property
    def synthetic(self) -> bool:
        """Whether the corpus was generated."""
        return bool(self.caches[0].about["synthetic"])

    @property
    def concatenated(self) -> bool:
        """Whether several caches of one stream feed one head."""
        return len(self.caches) > 1 and not self.joint

    @property
    def joint(self) -> bool:
        """Whether one head reads several streams."""
        return bool(self.head)

    def load(self, reading: Reading, layers: Sequence[Sequence[int] | None]) -> ClipFeatures:
        """Read the features of the clips, in the order of ``clips.records``; `layers` are those of each cache."""
        if self.concatenated:
            return self.as_planned(load_concatenated(self.caches, self.clip_ids, reading.statistics, layers=layers))
        parts = enumerate(zip(self.caches, self.clip_ids, layers, strict=True))
        first, *others = (
            load_features(cache, clip_ids, reading.of_stream(number), layers=read)
            for number, (cache, clip_ids, read) in parts
        )
        return self.as_planned(replace(first, also=tuple(others)) if self.joint else first)

    def as_planned(self, features: ClipFeatures) -> ClipFeatures:
        """Standardise the features of the clips as the plan wants it."""
        if not self.by_actor:
            return features
        return standardised_by_actor(features, [record.actor for record in self.clips.records])

    def about(self) -> dict[str, Any]:
        """Say what was read and how it was split, for the record."""
        origins = [origin_of(cache) for cache in self.caches]
        source: dict[str, Any] = {"joined": origins} if len(origins) > 1 else origins[0]
        return source | {
            "stream": self.stream,
            "features": self.features,
            "corpus": self.caches[0].about["corpus"],
            "synthetic": self.synthetic,
            "fingerprint": _fingerprints(self.caches),
            "clips": len(self.clips.records),
            "missing": list(self.missing),
            "left_out": self.clips.left_out,
            **({"narrowed": dict(self.narrowed)} if self.narrowed else {}),
            "trained_on": trained_on(self.views, self.average),
            "tested_on": tested_on(self.views, self.average),
            "average_views": self.average,
            "views": [view.about() for view in self.views],
            **({"transductive": "each actor standardised by all clips of the actor"} if self.by_actor else {}),
            "folds": fold_counts(self.folds, self.clips.records),
        }


def origin_of(cache: Cache) -> dict[str, Any]:
    """Say which cache was read, for the record."""
    published = read_origin(cache.path)
    return {
        "path": str(cache.path),
        "features": str(cache.about["encoder"]),
        "fingerprint": cache.fingerprint,
        "identity": cache.identity,
        "content_sha256": cache.content_sha256(),
        **({"source": cache.source} if cache.source else {}),
        **({"published": published} if published else {}),
    }


OpenSystems = Callable[[FitPlan, Protocol], list[CacheSystem]]


def _fingerprints(caches: Sequence[Cache]) -> str:
    return "+".join(cache.fingerprint for cache in caches)


def open_systems(plan: FitPlan, protocol: Protocol) -> list[CacheSystem]:
    """Open the caches of a plan and make their folds.

    Every cache is a system; so are concatenated caches, and those of a joint head. Systems that are to be fused are
    tested on the same performances in the same folds.

    Raises
    ------
    CacheError
        Where clips are missing.
    CorpusError
        Where labels do not fit, or aligned caches contradict each other.
    LeakError, ProtocolError
        Where the folds do not hold.
    UsageError
        Where the caches do not belong into one run, or an actor cannot be standardised.
    """
    chosen = choose_clips(plan)  # before any folds: groups are made from the clips that are left
    systems = [_in_folds(clips, protocol, allow_leak=plan.allow_leak) for clips in chosen]
    if plan.train_views:
        systems = _with_views(systems, plan)
    if plan.rule is not None:
        records = [clips.clips.records for clips in chosen]
        check_fold_by_fold(
            protocol.name, [clips.title for clips in chosen], records, [system.folds for system in systems]
        )
    systems = _with_distinct_names(systems)
    return [_by_actor(system) for system in systems] if plan.normalise == "actor" else systems


def _by_actor(system: CacheSystem) -> CacheSystem:
    """Standardise the features of a system by actor, under a name that says so."""
    check_actors([record.actor for record in system.clips.records])
    return replace(system, by_actor=True, features=f"{system.features}{ACTOR_NORMALISED}")


def _in_folds(chosen: ChosenClips, protocol: Protocol, *, allow_leak: bool) -> CacheSystem:
    caches, clips = chosen.caches, chosen.clips
    folds = make_folds(protocol, clips.records, allow_leak=allow_leak)
    known: list[Sequence[ClipRecord]] = [clips.records]
    # With the labels of the first cache: a label file names its clips only.
    known += [[replace(of[r.performance_id], label=r.label) for r in clips.records] for of in chosen.aligned]
    # One recording may be under two actors in one of the caches only.
    checked = [settled(protocol, folds, records, allow_leak=allow_leak) for records in known]
    return CacheSystem(
        caches,
        _name_of(caches),
        clips,
        tuple(tuple(record.clip_id for record in records) for records in (known[1:] or known)),
        folds,
        chosen.missing,
        head=chosen.head,
        narrowed=chosen.narrowed,
        leaky=any(each.leaky for each in checked),
    )


def _with_views(systems: Sequence[CacheSystem], plan: FitPlan) -> list[CacheSystem]:
    caches = [cache for system in systems for cache in system.caches]
    views = open_views(plan.train_views, caches)
    viewed = [replace(system, views=_views_of(system, views, plan)) for system in systems]
    if any(system.views and (system.concatenated or not _may_have_views(system)) for system in viewed):
        raise UsageError(
            "--train-views adds views of clips to a cache that feeds a head alone: neither --concat nor the head"
            " 'joint' has a view of all its caches at once; train it in a run without --train-views"
        )
    return [_with_averages(system, plan.average_views) for system in viewed]


def _with_averages(system: CacheSystem, average: AverageViews) -> CacheSystem:
    """Average over the views of a system, under a name that says so."""
    if not system.views or average == "none":
        return system
    viewed = {view.of for view in system.views}
    names = _names_of(system.caches)
    named = [f"{name}{AVERAGED[average]}" if number in viewed else name for number, name in enumerate(names)]
    return replace(system, average=average, features="+".join(named))


def _may_have_views(system: CacheSystem) -> bool:
    kind = several_streams(system.head)
    return kind is None or kind.reads_views


def _views_of(system: CacheSystem, views: Sequence[Cache], plan: FitPlan) -> tuple[TrainingView, ...]:
    """Find the views of every cache of a system."""
    return tuple(
        replace(view, of=number)
        for number, (cache, clip_ids) in enumerate(zip(system.caches, system.clip_ids, strict=True))
        for view in match_views(cache, clip_ids, views, allow_missing=plan.allow_missing)
    )


def _name_of(caches: Sequence[Cache]) -> str:
    return "+".join(_names_of(caches))


def _names_of(caches: Sequence[Cache]) -> list[str]:
    names = [str(cache.about["encoder"]) for cache in caches]
    # With the fingerprint only where two caches have one encoder, so that names stay short.
    return [
        name if names.count(name) == 1 else f"{name}-{cache.fingerprint}"
        for name, cache in zip(names, caches, strict=True)
    ]


def _with_distinct_names(systems: Sequence[CacheSystem]) -> list[CacheSystem]:
    names = [(system.stream, system.features) for system in systems]
    return [
        system
        if names.count(name) == 1
        else replace(system, features=f"{system.features}-{_fingerprints(system.caches)}")
        for system, name in zip(systems, names, strict=True)
    ]
