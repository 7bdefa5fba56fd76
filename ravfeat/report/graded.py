"""One system of one run, with everything the report says about it.

Offers
------
Graded, grade.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.predictions import System, SystemProbs
from ravfeat.report.runs import Run
from ravfeat.stats import Recall, fold_scores, recalls

__all__ = ["Graded", "LayerProfile", "grade"]


@dataclass(frozen=True)
class LayerProfile:
    """Layer weights over all folds and seeds of a system.

    Attributes
    ----------
    layers : ndarray of shape (L,), int64
    mean, low, high : ndarray of shape (L,), float64
        Mean, smallest and largest weight; a layer a model did not read counts as 0.
    n_models : int
    """

    layers: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_models: int


@dataclass(frozen=True)
class Graded:
    """A system of a run.

    Attributes
    ----------
    slug : str
        Unique in the report; names its figures.
    records : mapping of (metric, averaging) to a record of ``metrics.json``
    folds : list of dict
        Scores of each fold, seeds averaged.
    confusion : ndarray of shape (K, K), int64
        True class in rows.
    ambiguous : bool
        Another run of the report has a system of the same name under the same conditions, so the
        run's name is one of its conditions.
    """

    run: Run
    system: System
    slug: str
    probs: SystemProbs
    records: Mapping[tuple[str, str], Mapping[str, Any]]
    folds: Sequence[Mapping[str, Any]]
    recalls: Sequence[Recall]
    confusion: NDArray[np.int64]
    layers: LayerProfile | None
    ambiguous: bool = False

    @property
    def leaky(self) -> bool:
        """Whether the split puts actors on two sides."""
        return self.run.predictions.leaky

    @property
    def synthetic(self) -> bool:
        """Whether the corpus was generated."""
        return self.run.predictions.synthetic

    @property
    def protocol(self) -> str:
        """Protocol name, with LEAKY where it is."""
        name = self.run.predictions.protocol
        return f"{name} LEAKY" if self.leaky else name

    @property
    def conditions(self) -> str:
        """What a number must never stand without: protocol, selection, seeds, clips."""
        parts = [self.protocol, self.setting]
        if self.ambiguous:
            parts.append(f"run {self.run.name}")
        return " · ".join(["synthetic", *parts] if self.synthetic else parts)

    @property
    def setting(self) -> str:
        """Selection, seeds and clips."""
        seeds = _count(len(self.probs.seeds), "seed")
        return f"select {self.run.predictions.select} · {seeds} · n = {len(self.probs)}"

    @property
    def training(self) -> tuple[str, str]:
        """What was trained on what: the cache's fingerprint and the head's settings, as far as the recipe says."""
        caches = self.run.recipe.get("caches") or []
        prints = [cache.get("fingerprint", "") for cache in caches if cache.get("features") == self.system.features]
        heads = self.run.recipe.get("chosen") or []
        settings = [one.get("settings") for one in heads if _system_of(one) == self.system][:1]
        return "".join(prints), json.dumps(settings, sort_keys=True)

    @property
    def n_actors(self) -> int:
        """Number of actors among the test clips."""
        return len(np.unique(self.probs.actors))

    def seed_scores(self, split: str, metric: str) -> list[float]:
        """Pooled score of every single seed, from ``scores.parquet``."""
        return [
            float(row[metric])
            for row in self.run.scores
            if (row["stream"], row["features"], row["head"]) == self.system
            and (row["split"], row["averaging"]) == (split, "pooled")
        ]


def grade(runs: Sequence[Run]) -> list[Graded]:
    """Grade every system of every run: honest ones first, each part in the order given."""
    graded: list[Graded] = []
    slugs: set[str] = set()
    for run in sorted(runs, key=lambda run: run.predictions.leaky):
        for system in run.predictions.systems():
            slug = _slug(f"{run.name}-{'-'.join(system)}", slugs)
            graded.append(_grade(run, system, slug))
    names = [(entry.system, entry.conditions) for entry in graded]
    return [replace(entry, ambiguous=names.count(name) > 1) for entry, name in zip(graded, names, strict=True)]


def _grade(run: Run, system: System, slug: str) -> Graded:
    probs = run.predictions.seed_averaged(system)
    own = [record for record in run.records if (record["stream"], record["features"], record["head"]) == system]
    return Graded(
        run=run,
        system=system,
        slug=slug,
        probs=probs,
        records={(record["metric"], record["averaging"]): record for record in own},
        folds=fold_scores(probs),
        recalls=recalls(probs),
        confusion=metrics.confusion(probs.y, metrics.decide(probs.probs), len(probs.classes)),
        layers=_profile(run, system),
    )


def _profile(run: Run, system: System) -> LayerProfile | None:
    models = [entry.weights for entry in run.layer_weights if entry.system == system]
    if not models:
        return None
    layers = sorted(set().union(*models))
    weights = np.array([[model.get(layer, 0.0) for layer in layers] for model in models])
    return LayerProfile(np.array(layers), weights.mean(0), weights.min(0), weights.max(0), len(models))


def _system_of(one: Mapping[str, Any]) -> System:
    return System(str(one.get("stream")), str(one.get("features")), str(one.get("head")))


def _slug(text: str, taken: set[str]) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    slug = base = "-".join(part for part in plain.split("-") if part)
    n = 2
    while slug in taken:
        slug, n = f"{base}-{n}", n + 1
    taken.add(slug)
    return slug


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
