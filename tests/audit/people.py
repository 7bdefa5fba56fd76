"""Caches of simulated people: each clip says who speaks, what is felt, and something of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ravfeat.audit.baseline import Baseline, load_baseline
from ravfeat.crosscorpus.run import CrossPlan, prepare_across
from ravfeat.experiment.fit import FitPlan, PreparedPlan, prepare
from ravfeat.experiment.load import FeatureLoader
from tests.toycaches import EMOTIONS, Take
from tests.writtencaches import write_cache

DIM = 64


def people(*, actors: int = 12, clips: int = 28, corpus: str = "many", person: float = 1.0, day: int = 0) -> list[Take]:
    """Takes of people who are far apart by `person`, of one layer and one frame; on another day they speak anew."""
    rng = np.random.default_rng(0)
    voices, feelings = person * rng.normal(size=(actors, DIM)), rng.normal(size=(len(EMOTIONS), DIM))
    rng, takes = np.random.default_rng([1, day]), []
    for actor in range(actors):
        for number in range(clips):
            features = voices[actor] + feelings[number % len(EMOTIONS)] + rng.normal(size=DIM)
            who = (f"{corpus}:{actor:02d}", "female" if actor % 2 else "male", EMOTIONS[number % len(EMOTIONS)])
            takes.append(Take(f"{corpus}-{actor:02d}-{number:02d}", *who, features.astype(np.float32)[None, None]))
    return takes


def noisy(takes: Sequence[Take], noise: float, *, corpus: str, actor: str = "") -> list[Take]:
    """Copies of takes under other ids."""
    rng = np.random.default_rng(99)
    return [
        replace(
            take,
            clip_id=f"{corpus}-copy-of-{take.clip_id}",
            actor=actor or take.actor.replace(take.actor.partition(":")[0], corpus),
            features=(take.features + noise * rng.normal(size=take.features.shape)).astype(np.float32),
        )
        for take in takes
    ]


def baseline_of(folder: Path, takes: Sequence[Take]) -> Baseline:
    """The baseline of a plan on these takes, with four folds."""
    cache = write_cache(folder, takes, stream="audio", corpus="many")
    return _load(prepare(FitPlan((cache,), heads=("logreg",), protocol="group4")))


def baseline_across(folder: Path, train: Sequence[Take], test: Sequence[Take]) -> Baseline:
    """The baseline of a plan that trains on some takes and tests on others."""
    pair = (
        write_cache(folder, train, stream="audio", corpus="one"),
        write_cache(folder, test, stream="audio", corpus="two"),
    )
    return _load(prepare_across(CrossPlan((pair,), heads=("logreg",))))


def _load(prepared: PreparedPlan) -> Baseline:
    return load_baseline(prepared, prepared.systems[0], FeatureLoader())
