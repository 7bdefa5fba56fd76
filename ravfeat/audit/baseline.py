"""Fixed logistic-regression baseline for the audit's diagnostics.

A balanced logistic regression on pooled statistics of all layers but the first, with one fixed strength. Nothing is
chosen, so that all rows that are not tested may train it, and a difference between two ways to split or to prepare the
clips is one of these ways alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.experiment.build import build_head
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import FeatureLoader
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.load import load_concatenated
from ravfeat.heads.base import Head, Job
from ravfeat.identity.probe import STRENGTH
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import SystemProbs
from ravfeat.protocols.folds import Fold, make_folds
from ravfeat.protocols.named import get_protocol

__all__ = ["FALLBACK", "Baseline", "DisjointScores", "Rows", "load_baseline", "score_disjoint"]

FALLBACK = "group6"
"""Folds that keep actors apart for a run whose own do not."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """The head and what it reads of one system.

    Attributes
    ----------
    system : CacheSystem
    head : Head
    features : ClipFeatures
        Of N clips; one frame each, its statistics.
    """

    system: CacheSystem
    head: Head
    features: ClipFeatures

    @property
    def statistics(self) -> tuple[str, ...]:
        """What it pools."""
        return self.head.reading.statistics

    def training_rows(self, folds: Sequence[Fold]) -> list[Rows]:
        """Give all rows of every fold that are not tested."""
        # Sorted: sums run in the order of the clips, so two splits with the same rows give the same head.
        return [np.sort(np.concatenate([fold.train, fold.val])) for fold in folds]

    def logits(
        self, train: Sequence[Rows], test: Sequence[Rows], y: Rows | None = None, features: ClipFeatures | None = None
    ) -> NDArray[np.float32]:
        """Train a head per fold and let it score the fold's test rows.

        Parameters
        ----------
        train, test : sequence of rows
            No row is tested twice.
        y : ndarray of shape (N,), optional
            Other labels than the clips'.
        features : ClipFeatures, optional
            Other features of the same clips.

        Returns
        -------
        ndarray of shape (N, K)
            NaN where a row is not tested.
        """
        y, features = self.system.clips.y if y is None else y, features or self.features
        k = len(self.system.clips.classes)
        # Layer 0 comes before the encoder's first block; it is left out unless nothing else is stored.
        layers = [layer for layer in features.layers if layer or len(features.layers) == 1]
        # No validation rows: with one candidate there is nothing to choose.
        jobs = [Job(rows, np.zeros(0, np.int64)) for rows in train]
        models = self.head.fit(features, y, k, jobs, [{"layers": layers, "C": STRENGTH}] * len(jobs))
        logits = np.full((len(y), k), np.nan, np.float32)
        for model, rows in zip(models, test, strict=True):
            logits[rows] = model.logits(features, rows)
        return logits

    def probs(self, logits: NDArray[np.float32], folds: Sequence[Rows]) -> SystemProbs:
        """Give logits as something that can be compared, rows sorted; `folds` are the tested rows of every fold."""
        rows = np.sort(np.concatenate(list(folds)))
        number = np.zeros(len(logits), np.int64)
        for i, fold_rows in enumerate(folds):
            number[fold_rows] = i
        records = [self.system.clips.records[row] for row in rows.tolist()]
        return SystemProbs(
            clip_ids=np.array([record.clip_id for record in records], object),
            performance_ids=np.array([record.performance_id for record in records], object),
            actors=np.array([record.actor for record in records], object),
            folds=number[rows],
            y=self.system.clips.y[rows],
            log_probs=log_softmax(logits[rows].astype(np.float64)),
            classes=self.system.clips.classes,
            seeds=(0,),
        )

    def score(self, folds: Sequence[Fold], features: ClipFeatures | None = None) -> SystemProbs:
        """Train on all that is not tested, test on the test rows of every fold."""
        tests = [fold.test for fold in folds]
        return self.probs(self.logits(self.training_rows(folds), tests, features=features), tests)


@dataclass(frozen=True)
class DisjointScores:
    """What the baseline predicts on folds that keep actors apart.

    Attributes
    ----------
    protocol : str
    folds : tuple of Fold
    probs : SystemProbs
        Of its test rows.
    """

    protocol: str
    folds: tuple[Fold, ...]
    probs: SystemProbs


def score_disjoint(baseline: Baseline, prepared: PreparedPlan) -> DisjointScores:
    """Train and test the baseline on the run's own folds; for a LEAKY run on those of `FALLBACK`.

    Raises
    ------
    ProtocolError
        Where the corpus has too few actors for these.
    """
    name, folds = prepared.protocol.name, baseline.system.folds
    if prepared.protocol.leaky:
        name, folds = FALLBACK, make_folds(get_protocol(FALLBACK), baseline.system.clips.records)
    return DisjointScores(name, tuple(folds), baseline.score(folds))


def load_baseline(prepared: PreparedPlan, system: CacheSystem, load: FeatureLoader) -> Baseline:
    """Read what the baseline needs of a system.

    Raises
    ------
    CacheError
        Where a pooled cache lacks a statistic.
    """
    # Not the run's own layers and settings: baselines of two runs must be comparable.
    plan = replace(prepared.plan, layers=None, std=True, settings={})
    head = build_head("logreg", plan, system)
    if system.joint:  # every stream's statistics side by side
        layers = [None] * len(system.caches)
        features = load_concatenated(system.caches, system.clip_ids, head.reading.statistics, layers=layers)
        return Baseline(system, head, system.as_planned(features))
    return Baseline(system, head, load(plan, system, head.reading))
