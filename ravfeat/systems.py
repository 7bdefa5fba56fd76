"""A cache under a protocol: whose clips are there, what they are labelled, and folds that hold.

Offers
------
System, open_systems.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.cache import Cache, open_cache
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.folds import Fold, fold_counts, make_folds
from ravfeat.labelling import LabelledClips, check_known, read_labels
from ravfeat.protocols import Protocol

__all__ = ["System", "open_systems"]

_NAMED = 10
"""Missing clips that a message names; 'ravfeat cache verify' names all."""


@dataclass(frozen=True)
class System:
    """One cache under one protocol.

    Attributes
    ----------
    cache : Cache
    features : str
        What to call the features: the encoder, and the cache's fingerprint where two share it.
    clips : LabelledClips
    folds : list of Fold
    """

    cache: Cache
    features: str
    clips: LabelledClips
    folds: list[Fold]

    @property
    def stream(self) -> str:
        """Stream of the cache."""
        return str(self.cache.about["stream"])

    def about(self) -> dict[str, Any]:
        """Say what was read and how it was split, for the record."""
        return {
            "path": str(self.cache.path),
            "stream": self.stream,
            "features": self.features,
            "corpus": self.cache.about["corpus"],
            "synthetic": self.cache.about["synthetic"],
            "fingerprint": self.cache.fingerprint,
            "identity": self.cache.identity,
            "clips": len(self.clips.records),
            "missing": list(self.cache.missing),
            "left_out": self.clips.left_out,
            "folds": fold_counts(self.folds, self.clips.records),
        }


def open_systems(
    paths: Sequence[Path],
    protocol: Protocol,
    *,
    labels: Path | None = None,
    allow_leak: bool = False,
    allow_missing: bool = False,
) -> list[System]:
    """Open caches of one corpus and make their folds.

    Parameters
    ----------
    paths : sequence of Path
    protocol : Protocol
    labels : Path, optional
        Table of ``clip_id`` and ``label`` that replaces the corpus's labels.
    allow_leak : bool
        Needed for a leaky protocol.
    allow_missing : bool
        Go on without clips that are not stored.

    Raises
    ------
    CacheError
        Where clips are missing.
    CorpusError
        Where labels do not fit.
    LeakError, ProtocolError
        Where the folds do not hold.
    UsageError
        Where the caches do not belong into one run.
    """
    caches = [open_cache(path) for path in paths]
    _check_together(caches)
    for cache in caches:
        if cache.missing and not allow_missing:
            raise _missing(cache)
    given = None if labels is None else read_labels(labels)
    if given is not None and labels is not None:
        known = {clip_id for cache in caches for clip_id in (*cache.clip_ids, *cache.missing)}
        check_known(given, known, labels)
    systems = []
    for cache in caches:
        clips = _labelled(cache, given, labels)
        folds = make_folds(protocol, clips.records, allow_leak=allow_leak)
        systems.append(System(cache, str(cache.about["encoder"]), clips, folds))
    _check_classes(systems)
    return _distinct(systems)


def _check_together(caches: Sequence[Cache]) -> None:
    paths = [cache.path.resolve() for cache in caches]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UsageError(f"{twice[0]} is given twice; name every cache once")
    if len({cache.about["corpus"] for cache in caches}) > 1:
        listing = "\n  ".join(f"{cache.about['corpus']}: {cache.path}" for cache in caches)
        raise UsageError(f"one run grades one corpus; choose with --cache among\n  {listing}")


def _missing(cache: Cache) -> CacheError:
    named = [f"{clip_id} ({cache.failed.get(clip_id, 'not extracted yet')})" for clip_id in cache.missing[:_NAMED]]
    rest = len(cache.missing) - len(named)
    return CacheError(
        f"{cache.path} lacks {len(cache.missing)} of {len(cache.missing) + len(cache)} clips: {'; '.join(named)}"
        f"{f' and {rest} more' if rest else ''}. Run 'ravfeat extract' again, or go on without them: --allow-missing"
    )


def _labelled(cache: Cache, given: Mapping[str, str] | None, where: Path | None) -> LabelledClips:
    # Who acted what comes from the shards, whatever the manifest or a label file says.
    records = cache.records()
    clips = LabelledClips.of([records[clip_id] for clip_id in sorted(records)], cache.classes)
    if given is not None and where is not None:
        clips = clips.relabelled(given, where)
    if len(clips.classes) < 2:
        raise CorpusError(f"{cache.path} has clips of {len(clips.classes)} class; a head needs at least two")
    return clips


def _check_classes(systems: Sequence[System]) -> None:
    for system in systems:
        if system.clips.classes != systems[0].clips.classes:
            raise UsageError(
                f"the caches have different classes: {systems[0].cache.path} has {list(systems[0].clips.classes)},"
                f" {system.cache.path} has {list(system.clips.classes)}; train them in runs of their own"
            )


def _distinct(systems: Sequence[System]) -> list[System]:
    names = [(system.stream, system.features) for system in systems]
    return [
        system if names.count(name) == 1 else replace(system, features=f"{system.features}-{system.cache.fingerprint}")
        for system, name in zip(systems, names, strict=True)
    ]
