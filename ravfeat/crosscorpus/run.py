"""The composition: pairs of caches × heads, with and without normalisation → predictions → fusion."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ravfeat.cache import Cache
from ravfeat.crosscorpus.folds import PROTOCOL
from ravfeat.crosscorpus.normalise import stacked, standardised
from ravfeat.crosscorpus.pairs import CorpusPair, open_pairs
from ravfeat.errors import UsageError
from ravfeat.experiment.fit import PreparedPlan, fused, train
from ravfeat.experiment.plan import FitPlan, build_head, check_plan, heads_of, read_layers
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.statistics import select_clips
from ravfeat.protocols.folds import inner_folds
from ravfeat.runs.result import Fitted
from ravfeat.schema import Normalise

__all__ = ["CrossPlan", "fit_across", "load_across", "prepare_across"]


@dataclass(frozen=True)
class CrossPlan:
    """What is to be trained on one corpus and tested on another.

    Attributes
    ----------
    pairs : tuple of (Path, Path)
        Cache that is trained on and cache that is tested on, both of one encoder.
    fit : FitPlan
        Heads, selection, seeds, device, layers, settings, rule and ``allow_missing``; its caches, protocol, labels
        and joins are not read.
    label_map : Path or None
        See `ravfeat.crosscorpus.label_map`.
    normalise : {"none", "corpus", "both"}
        Whether each corpus is standardised by its own unlabelled clips; ``both`` grades every head twice.
    """

    pairs: tuple[tuple[Path, Path], ...]
    fit: FitPlan
    label_map: Path | None = None
    normalise: Normalise = "both"


def fit_across(plan: CrossPlan) -> Fitted:
    """Train on the actors of one corpus, predict every clip of the other, and fuse.

    What is normalised is never fused with what is not: under ``both``, nothing is fused.

    Raises
    ------
    CacheError, CorpusError, LeakError, ProtocolError, UsageError
        See `ravfeat.crosscorpus.pairs.open_pairs`; everything is refused before the first head is trained.
    """
    prepared = prepare_across(plan)
    fitted = train(prepared, load_across)
    pairs = [cast("CorpusPair", system) for system in prepared.systems]
    fitted = replace(fitted, about=fitted.about | {"cross_corpus": _about(plan, pairs, fitted)})
    return fitted if plan.normalise == "both" else fused(fitted, plan.fit.rule)


def prepare_across(plan: CrossPlan) -> PreparedPlan:
    """Open what a plan names and check that it can be done; `fit_across` says what is refused."""
    caches = tuple(train for train, _ in plan.pairs)
    fit = replace(plan.fit, caches=caches, protocol=PROTOCOL.name, joins=(), labels=None)
    check_plan(fit)
    if "joint" in fit.heads:
        raise UsageError(
            "the head 'joint' reads several streams of one corpus and is no head of a test on another corpus; leave it"
            " out, or train it on one corpus with --cache"
        )
    if fit.train_views:
        raise UsageError(
            f"--train-views {fit.train_views[0]}: views are of the clips of one corpus that is split into folds, and a"
            " test on another corpus has no place for them; leave them out"
        )
    if plan.normalise == "both" and fit.rule not in (None, "auto"):
        raise UsageError(
            f"rule '{fit.rule}' has nothing to fuse: normalised features are not mixed with others, so with --normalise"
            " both every system stands alone; choose --normalise none or corpus"
        )
    together = fit.rule is not None and plan.normalise != "both"
    pairs = open_pairs(plan.pairs, label_map=plan.label_map, allow_missing=fit.allow_missing, together=together)
    systems = [
        one
        for pair in pairs
        for one, wanted in ((pair, "none"), (pair.normalise(), "corpus"))
        if plan.normalise in (wanted, "both")
    ]
    heads = tuple(tuple(build_head(name, fit, system) for name in heads_of(fit, system)) for system in systems)
    inner = tuple(
        {fold.number: inner_folds(PROTOCOL, fold, system.clips.records) for fold in system.folds}
        if fit.select == "nested"
        else None
        for system in systems
    )
    return PreparedPlan(fit, PROTOCOL, fit.select, tuple(systems), heads, inner)


def load_across(plan: FitPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
    """Read the features of a pair's clips, those that are trained on first."""
    pair = cast("CorpusPair", system)
    layers = read_layers(plan, pair)[0]
    read = _read_normalised if pair.normalised else _read
    train, test = (read(cache, own, reading, layers) for cache, own in zip(pair.caches, pair.clip_ids, strict=True))
    return stacked(train, test)


def _read(cache: Cache, clip_ids: tuple[str, ...], reading: Reading, layers: tuple[int, ...] | None) -> ClipFeatures:
    return load_features(cache, clip_ids, reading, layers=layers)


def _read_normalised(
    cache: Cache, clip_ids: tuple[str, ...], reading: Reading, layers: tuple[int, ...] | None
) -> ClipFeatures:
    # Over all stored clips: which of them stand for a class is known from their labels.
    everything = standardised(load_features(cache, cache.clip_ids, reading, layers=layers))
    row = {clip_id: number for number, clip_id in enumerate(cache.clip_ids)}
    return select_clips(everything, np.array([row[clip_id] for clip_id in clip_ids], dtype=np.int64))


def _about(plan: CrossPlan, pairs: list[CorpusPair], fitted: Fitted) -> dict[str, Any]:
    train, test = pairs[0].corpora
    return {
        "train": train,
        "test": test,
        "label_map": None if plan.label_map is None else str(plan.label_map),
        "normalise": plan.normalise,
        "transductive": [pair.features for pair in pairs if pair.normalised],
        "kept_apart": plan.normalise == "both" and plan.fit.rule is not None and len(fitted.predictions.systems()) > 2,
    }
