"""One system of one run with its scores, folds, recalls, confusion and conditions, as the report shows them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.calibrate import Calibration
from ravfeat.media.augment import CLEAN
from ravfeat.predictions import System, SystemProbs
from ravfeat.report.layers.findings import LayerProfile, profile_of
from ravfeat.runs.read import Run
from ravfeat.runs.recipe import SystemInputs
from ravfeat.runs.task import changes
from ravfeat.schema import FUSED_STREAMS, transductive_suffix
from ravfeat.stats import Compared, Recall, fold_scores, recalls

__all__ = ["Graded", "Role", "grade"]

Role = Literal["fused", "single", "alternative"]
"""``alternative`` is a mixture by one rule that stands beside the chosen one."""

_LONGEST_SLUG = 120  # it becomes part of a file's name

_ORDER: tuple[Role, ...] = ("fused", "single", "alternative")


@dataclass(frozen=True)
class Graded:
    """A system of a run.

    Attributes
    ----------
    slug : str
        Unique in the report; names its figures.
    calibration : Calibration
        Its test rows at the temperatures of their folds.
    records : mapping of (metric, averaging) to a record of ``metrics.json``
    folds : list of dict
        Scores of each fold, seeds averaged.
    confusion : ndarray of shape (K, K), int64
        True class in rows.
    ambiguous : bool
        Another run of the report has a system of the same name under the same conditions, so the
        run's name is one of its conditions.
    beside_views : bool
        Views trained a system of the report, so that those trained on clean clips alone say so.
    """

    run: Run
    system: System
    slug: str
    calibration: Calibration
    records: Mapping[tuple[str, str], Mapping[str, Any]]
    folds: Sequence[Mapping[str, Any]]
    recalls: Sequence[Recall]
    confusion: NDArray[np.int64]
    layers: LayerProfile | None
    ambiguous: bool = False
    beside_views: bool = False

    @property
    def probs(self) -> SystemProbs:
        """Test rows, seeds averaged, calibrated."""
        return self.calibration.test

    @cached_property
    def compared(self) -> Compared:
        """The same, prepared for comparisons."""
        return Compared(self.probs)

    @property
    def role(self) -> Role:
        """Whether it was trained, mixed and chosen, or mixed beside the chosen one."""
        return role_of(self.system)

    @property
    def members(self) -> tuple[System, ...]:
        """The systems that were mixed; none for a single system."""
        fusion = self.run.fusion
        return () if fusion is None or self.role == "single" else fusion.systems

    @property
    def leaky(self) -> bool:
        """Whether the split puts actors on two sides."""
        return self.run.predictions.leaky

    @property
    def synthetic(self) -> bool:
        """Whether the corpus was generated."""
        return self.run.predictions.synthetic

    @property
    def select(self) -> str:
        """Whose rows chose models and settings."""
        return self.run.predictions.select

    @property
    def across(self) -> tuple[str, str] | None:
        """Corpora that were trained on and tested on, where these are two."""
        transfer = self.run.recipe.cross_corpus
        return (transfer.train, transfer.test) if transfer else None

    @property
    def corpus(self) -> str:
        """Name of the corpus, as in "ravdess", or "a to b" of two; empty where the recipe names none."""
        return " to ".join(self.across) if self.across else next(iter(self.run.recipe.corpora()), "")

    @property
    def transductive(self) -> bool:
        """Whether unlabelled test clips shaped the features."""
        return bool(transductive_suffix(self.system.features))

    @property
    def protocol(self) -> str:
        """Protocol name, with LEAKY where it is, and the corpora where these are two."""
        name = self.run.predictions.protocol
        if self.across:
            name = f"{name} {self.across[0]} to {self.across[1]}"
        return f"{name} LEAKY" if self.leaky else name

    @cached_property
    def trained_on(self) -> str:
        """What heads were trained on if more than clean clips, as in "clean + published-1:seed0"; else empty.

        Where a clip's scores or statistics are means over its views, it says so, too.
        """
        features = {member.features for member in self.members or (self.system,)}
        entries = [entry for entry in self.run.recipe.inputs() if entry.features in features]
        return " or ".join(dict.fromkeys(_learned_from(entry) for entry in entries if entry.views))

    @cached_property
    def task(self) -> str:
        """Labels that were replaced, classes merged, clips left out, as in "12 clips not stored"; else empty."""
        return "; ".join(changes(self.run.recipe))

    @property
    def team(self) -> str:
        """How many seeds were averaged, or systems mixed."""
        return _count(len(self.members), "system") if self.members else _count(len(self.probs.seeds), "seed")

    @property
    def facts(self) -> dict[str, str]:
        """What a number must never stand without: corpus, protocol, selection, task, views, seeds, clips."""
        facts = {"corpus": "synthetic"} if self.synthetic else {}
        facts |= {
            "protocol": self.protocol,
            "select": f"select {self.select}",
            **({"task": self.task} if self.task else {}),
            **({"views": f"trained on {self.trained_on or CLEAN}"} if self.trained_on or self.beside_views else {}),
            "team": self.team,
            "n": f"n = {len(self.probs)}",
        }
        facts |= {"features": "TRANSDUCTIVE"} if self.transductive else {}
        return facts | ({"run": f"run {self.run.name}"} if self.ambiguous else {})

    @property
    def conditions(self) -> str:
        """The same in one line."""
        return " · ".join(self.facts.values())

    @property
    def setting(self) -> str:
        """Selection, seeds and clips."""
        return " · ".join(self.facts[name] for name in ("select", "team", "n"))

    @property
    def training(self) -> tuple[str, ...]:
        """What was trained on what, as far as the recipe says: fingerprints, settings and, of a fusion, the rule."""
        fusion = self.run.fusion
        if fusion is None or not self.members:
            return (_training(self.run, self.system),)
        return (*(_training(self.run, member) for member in self.members), *map(str, fusion.seeds), fusion.rule)

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
    """Grade every system of every run.

    Honest runs come first, each part in the order given; in a run, what was fused, then the single systems,
    then mixtures that were not chosen.
    """
    graded: list[Graded] = []
    slugs: set[str] = set()
    for run in sorted(runs, key=lambda run: run.predictions.leaky):
        for system in sorted(run.calibrations, key=lambda system: (_ORDER.index(role_of(system)), system)):
            graded.append(_grade(run, system, _slug(f"{run.name}-{'-'.join(system)}", slugs)))
    views = any(entry.trained_on for entry in graded)
    graded = [replace(entry, beside_views=views) for entry in graded]
    names = [(entry.system, entry.conditions) for entry in graded]
    return [replace(entry, ambiguous=names.count(name) > 1) for entry, name in zip(graded, names, strict=True)]


def role_of(system: System) -> Role:
    """Say what a system's stream makes of it."""
    if system.stream not in FUSED_STREAMS:
        return "single"
    return "fused" if system.stream == FUSED_STREAMS[0] else "alternative"


def _grade(run: Run, system: System, slug: str) -> Graded:
    calibration = run.calibrations[system]
    probs = calibration.test
    records = [record for record in run.records if (record["stream"], record["features"], record["head"]) == system]
    return Graded(
        run=run,
        system=system,
        slug=slug,
        calibration=calibration,
        records={(record["metric"], record["averaging"]): record for record in records},
        folds=fold_scores(probs),
        recalls=recalls(probs),
        confusion=metrics.confusion(probs.y, metrics.decide(probs.probs), len(probs.classes)),
        layers=profile_of(run, system),
    )


def _learned_from(entry: SystemInputs) -> str:
    tested = "" if entry.average_views == "none" else f", tested on {entry.tested_on}"
    return f"{entry.trained_on}{tested}"


def _training(run: Run, system: System) -> str:
    entries = [entry for entry in run.recipe.caches if entry.features == system.features]
    fingerprints = [
        fingerprint
        for entry in entries
        for fingerprint in (entry.fingerprint, *(view.fingerprint for view in entry.views))
    ]
    settings = [entry.settings for entry in run.recipe.chosen if entry.system == system][:1]
    return json.dumps([str(system), fingerprints, settings], sort_keys=True)


def _slug(text: str, taken: set[str]) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    slug = base = "-".join(part for part in plain.split("-") if part)[:_LONGEST_SLUG].rstrip("-")
    n = 2
    while slug in taken:
        slug, n = f"{base}-{n}", n + 1
    taken.add(slug)
    return slug


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
