"""Features under a protocol: whose clips are there, what they are labelled, and folds that hold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.labels import LabelledClips, check_known, read_labels
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.experiment.align import align
from ravfeat.experiment.fusable import check_fold_by_fold, in_common
from ravfeat.experiment.training_views import TrainingView, match_views, open_views, refuse_views, trained_on
from ravfeat.features.training_rows import TrainingRows
from ravfeat.protocols.folds import Fold, check_folds, fold_counts, make_folds
from ravfeat.protocols.named import Protocol

__all__ = ["CacheSystem", "missing_clips_error", "open_systems", "origin_of"]

_NAMED = 10
"""Missing clips that a message names; 'ravfeat cache verify' names all."""


@dataclass(frozen=True)
class CacheSystem:
    """One cache, or several joined ones, under one protocol.

    Attributes
    ----------
    caches : tuple of Cache
        Of one stream, more than one where a join feeds them to one head; or one of each stream for a joint head.
    features : str
        What to call the features: the encoder, and the cache's fingerprint where two share it; the
        encoders of a join with a plus between them.
    clips : LabelledClips
        As the first cache knows them.
    clip_ids : tuple of tuple of str
        For each cache, what it calls these clips, in the order of ``clips.records``.
    folds : list of Fold
    missing : tuple of str
        Clips (of a join: performances) that belong to the corpus and are not here, or not in another system.
    views : tuple of TrainingView
        Augmented views of the clips; they train and are never tested.
    """

    caches: tuple[Cache, ...]
    features: str
    clips: LabelledClips
    clip_ids: tuple[tuple[str, ...], ...]
    folds: list[Fold]
    missing: tuple[str, ...]
    views: tuple[TrainingView, ...] = ()

    @property
    def rows(self) -> TrainingRows:
        """The clips' rows, and those of their views."""
        return TrainingRows.of(len(self.clips.records), [view.rows for view in self.views])

    @property
    def stream(self) -> str:
        """Stream of the caches; ``joint`` where they are of several."""
        return "joint" if self.joint else str(self.caches[0].about["stream"])

    @property
    def synthetic(self) -> bool:
        """Whether the corpus was generated."""
        return bool(self.caches[0].about["synthetic"])

    @property
    def joined(self) -> bool:
        """Whether several caches of one stream feed one head."""
        return len(self.caches) > 1 and not self.joint

    @property
    def joint(self) -> bool:
        """Whether one network reads several streams."""
        return len({cache.about["stream"] for cache in self.caches}) > 1

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
            "trained_on": trained_on(self.views),
            "views": [view.about() for view in self.views],
            "folds": fold_counts(self.folds, self.clips.records),
        }


def origin_of(cache: Cache) -> dict[str, Any]:
    """Say which cache was read, for the record."""
    return {
        "path": str(cache.path),
        "features": str(cache.about["encoder"]),
        "fingerprint": cache.fingerprint,
        "identity": cache.identity,
        "content_sha256": cache.content_sha256(),
    }


def _fingerprints(caches: Sequence[Cache]) -> str:
    return "+".join(cache.fingerprint for cache in caches)


def open_systems(
    paths: Sequence[Path],
    protocol: Protocol,
    *,
    joins: Sequence[Sequence[Path]] = (),
    joint: Sequence[Path] = (),
    labels: Path | None = None,
    allow_leak: bool = False,
    allow_missing: bool = False,
    together: bool = False,
    train_views: Sequence[Path] = (),
) -> list[CacheSystem]:
    """Open caches of one corpus and make their folds.

    Parameters
    ----------
    paths : sequence of Path
        Every cache is a system of its own.
    protocol : Protocol
    joins : sequence of sequence of Path
        Caches of one stream that are one system together.
    joint : sequence of Path
        Caches of different streams that are one more system together.
    labels : Path, optional
        Table of ``clip_id`` and ``label`` that replaces the corpus's labels; of a join, the clips of
        its first cache.
    allow_leak : bool
        Needed for a leaky protocol.
    allow_missing : bool
        Go on without clips that are not stored.
    together : bool
        The systems are to be fused: they must hold the same performances, or, with `allow_missing`, are
        brought down to those that all of them hold.
    train_views : sequence of Path
        Caches of augmented views; each is matched to the cache that it is a view of. Not beside
        `joins` or `joint`.

    Raises
    ------
    CacheError
        Where clips are missing.
    CorpusError
        Where labels do not fit, or joined caches contradict each other.
    LeakError, ProtocolError
        Where the folds do not hold.
    UsageError
        Where the caches do not belong into one run.
    """
    several = [*joins, joint] if joint else joins
    caches = {path: open_cache(path) for path in dict.fromkeys([*paths, *(path for join in several for path in join)])}
    groups = [*((caches[path],) for path in paths), *(tuple(caches[path] for path in join) for join in several)]
    _check_together(groups)
    refuse_views(caches.values())
    for cache in caches.values():
        if cache.missing and not allow_missing:
            raise missing_clips_error(cache)
    given = None if labels is None else read_labels(labels)
    if given is not None and labels is not None:
        known = {clip_id for cache in caches.values() for clip_id in (*cache.clip_ids, *cache.missing)}
        check_known(given, known, labels)
    kinds = [bool(joint) and number == len(groups) - 1 for number in range(len(groups))]
    chosen = [
        _choose(group, given, labels, allow_missing=allow_missing, joint=kind)
        for group, kind in zip(groups, kinds, strict=True)
    ]
    _check_classes(chosen)
    if together:
        chosen = _in_common(chosen, allow_missing=allow_missing)
    views = _open_views(train_views, groups)
    systems = [
        _with_views(_system(one, protocol, allow_leak=allow_leak), views, allow_missing=allow_missing) for one in chosen
    ]
    if together:
        clips = [one.clips.records for one in chosen]
        check_fold_by_fold(protocol.name, [one.title for one in chosen], clips, [one.folds for one in systems])
    return _distinct(systems)


def _check_together(groups: Sequence[tuple[Cache, ...]]) -> None:
    paths = [tuple(cache.path.resolve() for cache in group) for group in groups]
    if twice := [path for path in paths if paths.count(path) > 1]:
        what = ("{} is given twice; name every cache once", "the join of {} is given twice; name every join once")
        raise UsageError(what[len(twice[0]) > 1].format(" and ".join(map(str, twice[0]))))
    caches = list(dict.fromkeys(cache for group in groups for cache in group))
    if len({cache.about["corpus"] for cache in caches}) > 1:
        listing = "\n  ".join(f"{cache.about['corpus']}: {cache.path}" for cache in caches)
        raise UsageError(f"one run grades one corpus; choose with --cache among\n  {listing}")


def missing_clips_error(cache: Cache) -> CacheError:
    """Say which clips a cache lacks, and what to do."""
    named = [f"{clip_id} ({cache.failed.get(clip_id, 'not extracted yet')})" for clip_id in cache.missing[:_NAMED]]
    rest = len(cache.missing) - len(named)
    return CacheError(
        f"{cache.path} lacks {len(cache.missing)} of {len(cache.missing) + len(cache)} clips: {'; '.join(named)}"
        f"{f' and {rest} more' if rest else ''}. Run the same extraction again, or go on without them: --allow-missing"
    )


@dataclass(frozen=True)
class _Chosen:
    """Clips of one system before they are put into folds.

    Attributes
    ----------
    sides : tuple of mapping of str to ClipRecord
        Of a join: for each cache, performance to record. Empty for a single cache.
    """

    caches: tuple[Cache, ...]
    clips: LabelledClips
    sides: tuple[Mapping[str, ClipRecord], ...]
    missing: tuple[str, ...]

    @property
    def title(self) -> str:
        return " joined with ".join(str(cache.path) for cache in self.caches)

    def only(self, clip_ids: Collection[str]) -> "_Chosen":
        """Keep some clips; the others count as missing."""
        kept = tuple(record for record in self.clips.records if record.clip_id in clip_ids)
        gone = [record for record in self.clips.records if record.clip_id not in clip_ids]
        names = {record.performance_id if self.sides else record.clip_id for record in gone}
        clips = LabelledClips.of(kept, self.clips.classes)
        return replace(
            self,
            clips=replace(clips, left_out=self.clips.left_out),
            missing=tuple(sorted({*self.missing, *names})),
        )


def _choose(
    caches: tuple[Cache, ...],
    given: Mapping[str, str] | None,
    where: Path | None,
    *,
    allow_missing: bool,
    joint: bool,
) -> _Chosen:
    if len(caches) == 1 and not joint:
        clips = _labelled(caches[0], caches[0].records().values(), given, where)
        return _Chosen(caches, clips, (), caches[0].missing)
    aligned = align(caches, allow_missing=allow_missing, joint=joint)
    clips = _labelled(caches[0], aligned.records[0].values(), given, where)
    absent = set(aligned.missing) | {name for cache in caches for name in _missing_performances(cache)}
    return _Chosen(caches, clips, aligned.records, tuple(sorted(absent)))


def _system(chosen: _Chosen, protocol: Protocol, *, allow_leak: bool) -> CacheSystem:
    caches, clips = chosen.caches, chosen.clips
    folds = make_folds(protocol, clips.records, allow_leak=allow_leak)
    clip_ids = [] if chosen.sides else [tuple(record.clip_id for record in clips.records)]
    for of_cache in chosen.sides:
        records = [replace(of_cache[one.performance_id], label=one.label) for one in clips.records]
        check_folds(protocol, folds, records)  # one recording may be under two actors in one of the caches only
        clip_ids.append(tuple(record.clip_id for record in records))
    return CacheSystem(caches, _name(caches), clips, tuple(clip_ids), folds, chosen.missing)


def _open_views(paths: Sequence[Path], groups: Sequence[tuple[Cache, ...]]) -> list[Cache]:
    if paths and any(len(group) > 1 for group in groups):
        raise UsageError(
            "--train-views adds views of clips to a cache that feeds a head alone: neither a join nor the head 'joint'"
            " has a view of all its caches at once; train it in a run without --train-views"
        )
    return open_views(paths, [group[0] for group in groups])


def _with_views(system: CacheSystem, views: Sequence[Cache], *, allow_missing: bool) -> CacheSystem:
    if not views:
        return system
    found = match_views(system.caches[0], system.clip_ids[0], views, allow_missing=allow_missing)
    return replace(system, views=found)


def _in_common(chosen: Sequence[_Chosen], *, allow_missing: bool) -> list[_Chosen]:
    kept = in_common([one.title for one in chosen], [one.clips.records for one in chosen], allow_missing=allow_missing)
    return [one.only(clip_ids) for one, clip_ids in zip(chosen, kept, strict=True)]


def _missing_performances(cache: Cache) -> list[str]:
    missing = set(cache.missing)
    rows = cache.manifest.select(["clip_id", "performance_id"]).to_pylist()
    return [row["performance_id"] for row in rows if row["clip_id"] in missing]


def _name(caches: Sequence[Cache]) -> str:
    names = [str(cache.about["encoder"]) for cache in caches]
    return "+".join(
        name if names.count(name) == 1 else f"{name}-{cache.fingerprint}"
        for name, cache in zip(names, caches, strict=True)
    )


def _labelled(
    cache: Cache, records: Iterable[ClipRecord], given: Mapping[str, str] | None, where: Path | None
) -> LabelledClips:
    # Who acted what comes from the shards, whatever the manifest or a label file says.
    clips = LabelledClips.of(sorted(records, key=lambda record: record.clip_id), cache.classes)
    if given is not None and where is not None:
        clips = clips.relabelled(given, where)
    if len(clips.classes) < 2:
        raise CorpusError(f"{cache.path} has clips of {len(clips.classes)} class; a head needs at least two")
    return clips


def _check_classes(chosen: Sequence[_Chosen]) -> None:
    for one in chosen:
        if one.clips.classes != chosen[0].clips.classes:
            raise UsageError(
                f"the caches have different classes: {chosen[0].caches[0].path} has {list(chosen[0].clips.classes)},"
                f" {one.caches[0].path} has {list(one.clips.classes)}; train them in runs of their own"
            )


def _distinct(systems: Sequence[CacheSystem]) -> list[CacheSystem]:
    names = [(system.stream, system.features) for system in systems]
    return [
        system
        if names.count(name) == 1
        else replace(system, features=f"{system.features}-{_fingerprints(system.caches)}")
        for system, name in zip(systems, names, strict=True)
    ]
