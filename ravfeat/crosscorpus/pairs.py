"""Open pairs of caches as systems: one encoder, a corpus to train on and another to test on."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.label_map import CorpusLabels
from ravfeat.corpora.labels import LabelledClips
from ravfeat.corpora.spellings import check_clips
from ravfeat.crosscorpus.checks import check_alike, check_apart
from ravfeat.crosscorpus.folds import PROTOCOL, cross_fold
from ravfeat.crosscorpus.label_map import LabelMap, read_label_map, shared_labels
from ravfeat.errors import CorpusError, HeadError, UsageError
from ravfeat.experiment.align import check_fold_by_fold, common_clips
from ravfeat.experiment.choose import missing_clips_error
from ravfeat.experiment.narrow import where_rows
from ravfeat.experiment.subset import NOT_GIVEN
from ravfeat.experiment.systems import CacheSystem, origin_of
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.normalise import standardised
from ravfeat.features.statistics import select_clips
from ravfeat.features.training_rows import stack_features
from ravfeat.protocols.folds import fold_counts
from ravfeat.schema import NORMALISED

__all__ = ["CorpusPair", "open_pairs", "stacked"]


@dataclass(frozen=True, kw_only=True)
class CorpusPair(CacheSystem):
    """A cache of the corpus that is trained on, and one of the corpus that is tested on.

    Attributes
    ----------
    caches : tuple of two Cache
    clips : LabelledClips
        Of both corpora, labelled with the shared classes: those that are trained on first.
    clip_ids : tuple of two tuple of str
        Of each cache; one after the other they are ``clips.records``.
    label_map : LabelMap
        The class of every label of each corpus.
    unmapped : tuple of two mapping of str to int
        Clips of each corpus that are left out, by the label that stands for no class.
    normalised : bool
        Whether each corpus is standardised by its own unlabelled clips, which is transductive.
    """

    label_map: LabelMap
    unmapped: tuple[Mapping[str, int], Mapping[str, int]]
    normalised: bool = False

    @property
    def concatenated(self) -> bool:
        """Two corpora, not two caches of one: layers remain layers."""
        return False

    @property
    def synthetic(self) -> bool:
        """Whether one of the corpora was generated."""
        return any(bool(cache.about["synthetic"]) for cache in self.caches)

    @property
    def corpora(self) -> tuple[str, str]:
        """Names of the corpora that are trained on and tested on."""
        train, test = (str(cache.about["corpus"]) for cache in self.caches)
        return train, test

    def normalise(self) -> "CorpusPair":
        """Give the same with each corpus standardised, under a name that says so."""
        return replace(self, features=f"{self.features}{NORMALISED}", normalised=True)

    def load(self, reading: Reading, layers: Sequence[Sequence[int] | None]) -> ClipFeatures:
        """Read the features of the clips, those that are trained on first."""
        read = _load_normalised if self.normalised else load_features
        parts = zip(self.caches, self.clip_ids, strict=True)
        train, test = (read(cache, clip_ids, reading, layers=layers[0]) for cache, clip_ids in parts)
        return stacked(train, test)

    def about(self) -> dict[str, Any]:
        """Say what was read and how it was split, for the record."""
        train, test = self.corpora
        return {
            "stream": self.stream,
            "features": self.features,
            "corpus": test,
            "train_corpus": train,
            "test_corpus": test,
            "transductive": self.normalised,
            "synthetic": self.synthetic,
            "fingerprint": self.caches[0].fingerprint,
            "train_cache": origin_of(self.caches[0]),
            "test_cache": origin_of(self.caches[1]),
            "clips": len(self.clips.records),
            "missing": list(self.missing),
            "left_out": self.clips.left_out,
            **({"narrowed": dict(self.narrowed)} if self.narrowed else {}),
            "left_out_labels": {"train": dict(self.unmapped[0]), "test": dict(self.unmapped[1])},
            "folds": fold_counts(self.folds, self.clips.records),
        }


def _load_normalised(
    cache: Cache, clip_ids: Sequence[str], reading: Reading, *, layers: Sequence[int] | None
) -> ClipFeatures:
    # Over all stored clips: which of them stand for a class is known from their labels.
    features = standardised(load_features(cache, cache.clip_ids, reading, layers=layers))
    row = {clip_id: number for number, clip_id in enumerate(cache.clip_ids)}
    return select_clips(features, np.array([row[clip_id] for clip_id in clip_ids], dtype=np.int64))


def stacked(first: ClipFeatures, second: ClipFeatures) -> ClipFeatures:
    """Put the clips of two corpora after each other.

    Raises
    ------
    HeadError
        Where they were not read alike.
    """
    alike = (first.layers, first.statistics, first.window, first.frames.shape[1:])
    other = (second.layers, second.statistics, second.window, second.frames.shape[1:])
    if alike != other:
        raise HeadError(
            f"features of two corpora must be read alike (layers, statistics, window, shape), got {alike} and {other}"
        )
    return stack_features([first, second])


def open_pairs(
    paths: Sequence[tuple[Path, Path]],
    *,
    label_map: Path | None = None,
    where: str = "",
    absent: Collection[str] = (),
    allow_missing: bool = False,
    as_written: Collection[str] = (),
    together: bool,
) -> list[CorpusPair]:
    """Open pairs of caches (trained on, tested on) and make their fold.

    Parameters
    ----------
    paths : sequence of (Path, Path)
        All of the same two corpora; every pair is a system of its own.
    label_map : Path, optional
        Which class every label stands for; see `ravfeat.crosscorpus.label_map`. Default the labels of the same name.
    where : str
        Only clips of which this condition holds; see `ravfeat.corpora.where`.
    absent : collection of str
        Clips that are left out.
    allow_missing : bool
        Go on without clips that are not stored.
    as_written : collection of str
        Actors, labels and performances that are meant as they are written; see `ravfeat.corpora.spellings`.
    together : bool
        The pairs are to be fused: they must hold the same performances, or, with `allow_missing`, are brought down
        to those that all of them hold.

    Raises
    ------
    CacheError, CorpusError, LeakError, ProtocolError, UsageError
        Where clips are missing; where the labels do not fit; where a person is in both corpora; where the training
        corpus cannot be divided; where the caches do not belong together.
    """
    opened = [(open_cache(train), open_cache(test)) for train, test in paths]
    _check_pairs(opened)
    for cache in (cache for caches in opened for cache in caches):
        check_clips(str(cache.path), cache.records().values(), as_written)
    sides = [
        _clips_of(caches, label_map, as_written, where=where, absent=frozenset(absent), allow_missing=allow_missing)
        for caches in opened
    ]
    if len({clips.mapped.classes for clips in sides}) > 1:
        listing = "; ".join(f"{clips.title}: {', '.join(clips.mapped.classes)}" for clips in sides)
        raise UsageError(f"the pairs of caches share different classes ({listing}); train them in runs of their own")
    if together and len(sides) > 1:
        titles = [clips.title for clips in sides]
        common = common_clips(titles, [clips.records for clips in sides], allow_missing=allow_missing)
        sides = [clips.only(clip_ids) for clips, clip_ids in zip(sides, common, strict=True)]
    names = _names([caches[0] for caches in opened])
    pairs = [clips.pair(name) for clips, name in zip(sides, names, strict=True)]
    # Asked again of the folds: validation groups are drawn from each pair's own clips.
    if together:
        records = [pair.clips.records for pair in pairs]
        check_fold_by_fold(PROTOCOL.name, [clips.title for clips in sides], records, [pair.folds for pair in pairs])
    return pairs


def _check_pairs(opened: Sequence[tuple[Cache, Cache]]) -> None:
    for train, test in opened:
        check_alike(train, test)
    corpora = {(train.about["corpus"], test.about["corpus"]) for train, test in opened}
    if len(corpora) > 1:
        listing = "\n  ".join(f"{train.path} ({train.about['corpus']}) and {test.path} ({test.about['corpus']})"
                              for train, test in opened)  # fmt: skip
        raise UsageError(
            f"one run trains on one corpus and tests on one other; these pairs are of several:\n  {listing}"
        )
    paths = [cache.path.resolve() for caches in opened for cache in caches]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UsageError(f"{twice[0]} is given twice; name every cache once")


@dataclass(frozen=True)
class _PairClips:
    """Clips of a pair, sorted by id within each corpus, before they are put into a fold."""

    caches: tuple[Cache, Cache]
    train: tuple[ClipRecord, ...]
    test: tuple[ClipRecord, ...]
    mapped: LabelMap
    unmapped: tuple[Mapping[str, int], Mapping[str, int]]
    missing: tuple[str, ...]
    narrowed: Mapping[str, int]

    @property
    def title(self) -> str:
        return f"{self.caches[0].path} with {self.caches[1].path}"

    @property
    def records(self) -> tuple[ClipRecord, ...]:
        return (*self.train, *self.test)

    def only(self, clip_ids: set[str]) -> "_PairClips":
        train, test = (
            tuple(record for record in records if record.clip_id in clip_ids) for records in (self.train, self.test)
        )
        dropped = {record.clip_id for record in self.records} - clip_ids
        return replace(self, train=train, test=test, missing=tuple(sorted({*self.missing, *dropped})))

    def pair(self, name: str) -> CorpusPair:
        for cache, records in zip(self.caches, (self.train, self.test), strict=True):
            if lacking := set(self.mapped.classes) - {record.label for record in records}:
                raise CorpusError(f"of {cache.path} no clip of {sorted(lacking)} is left that all systems hold")
        left_out = sum(sum(counts.values()) for counts in self.unmapped)
        return CorpusPair(
            caches=self.caches,
            features=name,
            clips=LabelledClips(self.records, self.mapped.classes, left_out),
            clip_ids=tuple(tuple(record.clip_id for record in records) for records in (self.train, self.test)),
            folds=[cross_fold(self.records, len(self.train))],
            missing=self.missing,
            narrowed=self.narrowed,
            label_map=self.mapped,
            unmapped=self.unmapped,
        )


def _clips_of(
    caches: tuple[Cache, Cache],
    label_map: Path | None,
    as_written: Collection[str],
    *,
    where: str,
    absent: frozenset[str],
    allow_missing: bool,
) -> _PairClips:
    missing = [tuple(clip_id for clip_id in cache.missing if clip_id not in absent) for cache in caches]
    for cache, lacking in zip(caches, missing, strict=True):
        if lacking and not allow_missing:
            raise missing_clips_error(cache, lacking)
    names = [str(cache.about["corpus"]) for cache in caches]
    stored = [sorted(cache.records().values(), key=lambda record: record.clip_id) for cache in caches]
    # All clips, before labels leave any out: a person in both corpora is refused even if no class has their clips.
    check_apart(names[0], stored[0], names[1], stored[1])
    n_stored = sum(map(len, stored))
    stored = [[record for record in records if record.clip_id not in absent] for records in stored]
    narrowed = {NOT_GIVEN: n} if (n := n_stored - sum(map(len, stored))) else {}
    if where:
        masks = where_rows(where, stored)
        narrowed["--where"] = sum(int((~mask).sum()) for mask in masks)
        stored = [list(compress(records, mask)) for records, mask in zip(stored, masks, strict=True)]
    train, test = (
        CorpusLabels.of(name, cache.classes, records)
        for name, cache, records in zip(names, caches, stored, strict=True)
    )
    mapped = shared_labels(train, test) if label_map is None else read_label_map(label_map, train, test, as_written)
    return _PairClips(
        caches,
        _labelled(stored[0], mapped.train),
        _labelled(stored[1], mapped.test),
        mapped,
        (_unmapped(stored[0], mapped.train), _unmapped(stored[1], mapped.test)),
        tuple(sorted({*missing[0], *missing[1]})),
        narrowed,
    )


def _labelled(records: Sequence[ClipRecord], means: Mapping[str, str]) -> tuple[ClipRecord, ...]:
    return tuple(replace(record, label=means[record.label]) for record in records if record.label in means)


def _unmapped(records: Sequence[ClipRecord], means: Mapping[str, str]) -> dict[str, int]:
    return dict(sorted(Counter(record.label for record in records if record.label not in means).items()))


def _names(caches: Sequence[Cache]) -> list[str]:
    """Call each by its encoder, with the fingerprint where two share one."""
    names = [(str(cache.about["stream"]), str(cache.about["encoder"])) for cache in caches]
    return [
        name[1] if names.count(name) == 1 else f"{name[1]}-{cache.fingerprint}"
        for name, cache in zip(names, caches, strict=True)
    ]
