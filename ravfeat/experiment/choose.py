"""Choose the clips of every system of a plan: open its caches, align them, label them, keep what all systems hold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.clip_names import ClipNames
from ravfeat.corpora.labels import LabelledClips, check_known, read_labels
from ravfeat.corpora.scales import check_no_scale
from ravfeat.corpora.spellings import check_clips
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.experiment.align import align_caches, common_clips
from ravfeat.experiment.narrow import narrow
from ravfeat.experiment.plan import DataPlan, FitPlan
from ravfeat.experiment.subset import ClipSubset, planned_among
from ravfeat.experiment.training_views import refuse_views
from ravfeat.heads.registry import several_streams

__all__ = ["ChosenClips", "choose_clips", "missing_clips_error", "read_together"]

_SHOWN = 10
"""Missing clips that a message names; 'ravfeat cache verify' names all."""


@dataclass(frozen=True)
class ChosenClips:
    """Clips of one system before they are put into folds.

    Attributes
    ----------
    caches : tuple of Cache
        Of one stream, more than one where they are concatenated for one head; or one of each stream for a joint head.
    clips : LabelledClips
        As the first cache knows them.
    aligned : tuple of mapping of str to ClipRecord
        Of several caches: for each, performance to record. Empty for a single cache.
    missing : tuple of str
        Clips (of several caches: performances) that belong to the corpus and are not here, or not in another system.
    head : str
        Name of the head that reads several streams, where the caches are for it alone.
    narrowed : mapping of str to int
        Stored clips that are left out on purpose, by what leaves them out; see `ravfeat.experiment.narrow`.
    """

    caches: tuple[Cache, ...]
    clips: LabelledClips
    aligned: tuple[Mapping[str, ClipRecord], ...]
    missing: tuple[str, ...]
    head: str = ""
    narrowed: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What to call the system in a message."""
        return " concatenated with ".join(str(cache.path) for cache in self.caches)

    def only(self, clip_ids: Collection[str]) -> "ChosenClips":
        """Keep some clips; the others count as missing."""
        chosen = tuple(record for record in self.clips.records if record.clip_id in clip_ids)
        dropped = [record for record in self.clips.records if record.clip_id not in clip_ids]
        # Aligned caches call one clip by several ids, so what they miss is named by performance.
        names = {record.performance_id if self.aligned else record.clip_id for record in dropped}
        clips = replace(LabelledClips.of(chosen, self.clips.classes), left_out=self.clips.left_out)
        return replace(self, clips=clips, missing=tuple(sorted({*self.missing, *names})))


def choose_clips(plan: FitPlan) -> list[ChosenClips]:
    """Open the caches of a plan and choose the clips of every system.

    Every cache is a system, unless only heads of several streams read it; then the concatenated caches; then those of
    each head of several streams. Systems that are fused are brought down to the performances that all of them hold.

    Raises
    ------
    CacheError
        Where clips are missing and ``allow_missing`` is not set.
    CorpusError
        Where labels do not fit, or aligned caches contradict each other.
    UsageError
        Where the caches do not belong into one run.
    """
    heads = [name for name in plan.heads if several_streams(name)]
    paths = [*([] if set(plan.heads) == set(heads) else [(path,) for path in plan.caches]), *plan.joins]
    # Each cache is opened once, however many systems read it: its records are kept in memory.
    all_paths = dict.fromkeys([*plan.caches, *(path for group in plan.joins for path in group)])
    caches = {path: open_cache(path) for path in all_paths}
    groups = [tuple(caches[path] for path in group) for group in paths]
    _check_belong(
        [tuple(caches[path] for path in group) for group in [*((path,) for path in plan.caches), *plan.joins]]
    )
    refuse_views(caches.values())
    subset = ClipSubset.of(plan.clips, list(caches.values()), plan.absent)
    for cache in caches.values():
        if (missing := subset.missing(cache)) and not plan.allow_missing:
            raise missing_clips_error(cache, missing)
    labels = _labels_for(plan, caches.values())
    chosen = [_choose(group, plan, subset, labels) for group in groups]
    chosen += [
        _choose(_in_order([caches[path] for path in read_together(plan, head)], head), plan, subset, labels, head)
        for head in heads
    ]
    known = [label for cache in caches.values() for label in cache.classes]
    narrowed = narrow(plan, [each.clips for each in chosen], str(next(iter(caches.values())).about["corpus"]), known)
    chosen = [
        replace(each, clips=left.clips, narrowed={**each.narrowed, **left.left_out})
        for each, left in zip(chosen, narrowed, strict=True)
    ]
    for clips in chosen:
        if len(clips.clips.classes) < 2:
            raise CorpusError(f"{clips.title} has clips of {len(clips.clips.classes)} class; a head needs at least two")
    _check_classes(chosen)
    for each in chosen:
        check_no_scale(str(each.caches[0].path), each.clips.classes, plan.as_written)
    return chosen if plan.rule is None else _in_common(chosen, allow_missing=plan.allow_missing)


def read_together(plan: FitPlan, head: str) -> list[Path]:
    """Give the caches that a head of several streams reads: every --cache, and where it may, those of --concat."""
    kind = several_streams(head)
    concatenated = [path for group in plan.joins for path in group] if kind and kind.several_of_last else []
    by_place: dict[Path, Path] = {}
    for path in [*plan.caches, *concatenated]:
        by_place.setdefault(path.resolve(), path)  # a face that is named twice must not have twice its weight
    return list(by_place.values())


def _in_order(caches: Sequence[Cache], head: str) -> tuple[Cache, ...]:
    """Give the caches of a head of several streams in the order in which it reads them."""
    kind = several_streams(head)
    if kind is None or not kind.streams:
        return tuple(caches)
    streams = [str(cache.about["stream"]) for cache in caches]
    counts = {stream: streams.count(stream) for stream in (*streams, *kind.streams)}
    several = kind.streams[-1] if kind.several_of_last else None
    if set(streams) != set(kind.streams) or any(n != 1 for stream, n in counts.items() if stream != several):
        listing = "\n  ".join(f"{cache.about['stream']}: {cache.path}" for cache in caches)
        more = f", and may read several of {several}" if several else ""
        raise UsageError(
            f"the head '{head}' reads one --cache of each of the streams {', '.join(kind.streams)}{more}; got\n"
            f"  {listing}"
        )
    return tuple(sorted(caches, key=lambda cache: kind.streams.index(str(cache.about["stream"]))))


def _check_belong(groups: Sequence[tuple[Cache, ...]]) -> None:
    paths = [tuple(cache.path.resolve() for cache in group) for group in groups]
    if twice := [path for path in paths if paths.count(path) > 1]:
        listing = " and ".join(map(str, twice[0]))
        if len(twice[0]) == 1:
            raise UsageError(f"{listing} is given twice; name every cache once")
        raise UsageError(f"{listing} are concatenated twice; name every --concat once")
    caches = list(dict.fromkeys(cache for group in groups for cache in group))
    if len({cache.about["corpus"] for cache in caches}) > 1:
        listing = "\n  ".join(f"{cache.about['corpus']}: {cache.path}" for cache in caches)
        raise UsageError(f"one run grades one corpus; choose with --cache among\n  {listing}")


def missing_clips_error(cache: Cache, missing: Sequence[str]) -> CacheError:
    """Say which clips a cache lacks, and what to do."""
    clips = [f"{clip_id} ({cache.failed.get(clip_id, 'not extracted yet')})" for clip_id in missing[:_SHOWN]]
    rest = len(missing) - len(clips)
    return CacheError(
        f"{cache.path} lacks {len(missing)} of {len(cache.missing) + len(cache)} clips: {'; '.join(clips)}"
        f"{f' and {rest} more' if rest else ''}. Run the same extraction again, or go on without them: --allow-missing"
    )


def _labels_for(plan: DataPlan, caches: Collection[Cache]) -> Mapping[str, str] | None:
    if plan.labels is None:
        return None
    manifests = [cache.planned_manifest for cache in caches]
    names = ClipNames(clip_id for manifest in manifests for clip_id in manifest.ids)
    labels = read_labels(plan.labels, plan.as_written, names)
    # The table speaks of the corpus: it may name clips that the caches lack.
    corpus = frozenset().union(*(planned_among(labels.keys(), cache) for cache in caches))
    check_known(labels, corpus, plan.labels)
    return labels


def _choose(
    caches: tuple[Cache, ...], plan: DataPlan, subset: ClipSubset, labels: Mapping[str, str] | None, head: str = ""
) -> ChosenClips:
    first = caches[0]
    if len(caches) == 1 and not head:
        records = first.records(subset.of_cache(first)).values()
        clips = _labelled(first, records, plan, labels)
        narrowed = subset.left_out(first)
        return ChosenClips(caches, clips, (), subset.missing(first), narrowed=narrowed)
    chosen = [subset.of_cache(cache) for cache in caches]
    alignment = align_caches(caches, chosen, allow_missing=plan.allow_missing, head=head)
    aligned = alignment.records
    missing = set(alignment.missing)
    missing |= {name for cache in caches for name in _performances(cache, subset.missing(cache))}
    clips = _labelled(first, aligned[0].values(), plan, labels)
    narrowed = subset.left_out(first)
    return ChosenClips(caches, clips, aligned, tuple(sorted(missing)), head, narrowed)


def _labelled(
    cache: Cache, records: Iterable[ClipRecord], plan: DataPlan, labels: Mapping[str, str] | None
) -> LabelledClips:
    # Actors, performances and digests are read from the shards: a manifest or a label file cannot move a clip to
    # another actor, which would hide a leak.
    clips = LabelledClips.of(sorted(records, key=lambda record: record.clip_id), cache.classes)
    if labels is not None and plan.labels is not None:
        clips = clips.relabelled(labels, plan.labels)
    # Tables are checked when they are read; a cache may have been filled from several, or be older than the check.
    check_clips(str(cache.path), clips.records, plan.as_written)
    return clips


def _performances(cache: Cache, clip_ids: Sequence[str]) -> list[str]:
    clips = cache.planned_manifest.by_id()
    return [clips[clip_id].performance_id for clip_id in clip_ids]


def _check_classes(chosen: Sequence[ChosenClips]) -> None:
    first = chosen[0]
    for other in chosen:
        if other.clips.classes != first.clips.classes:
            raise UsageError(
                f"the caches have different classes: {first.caches[0].path} has {list(first.clips.classes)},"
                f" {other.caches[0].path} has {list(other.clips.classes)}; train them in runs of their own"
            )


def _in_common(chosen: Sequence[ChosenClips], *, allow_missing: bool) -> list[ChosenClips]:
    records = [clips.clips.records for clips in chosen]
    common = common_clips([clips.title for clips in chosen], records, allow_missing=allow_missing)
    return [clips.only(clip_ids) for clips, clip_ids in zip(chosen, common, strict=True)]
