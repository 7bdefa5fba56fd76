"""Runs to audit: small caches with RAVDESS's names, and what a cheat would do to them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.experiment.selection import TrainedHead
from ravfeat.features.clips import ClipFeatures
from ravfeat.fusion.fit import fit_fold
from ravfeat.fusion.weights import fit_linear, fit_loglinear
from ravfeat.heads.base import Head, Job
from ravfeat.predictions import Evidence, System
from ravfeat.protocols.folds import Fold
from ravfeat.runs.write import write_run
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache


def takes(*, seed: int = 0, noise: float = 0.0) -> list[Take]:
    """Clips of 24 actors, four emotions, two sentences, named as RAVDESS names its performances."""
    rng = np.random.default_rng([seed, 7])
    named = []
    for take in actors_and_emotions(repeats=2, seed=seed):
        actor, number = map(int, take.clip_id.split("-"))
        performance = f"01-{number % 4 + 2:02d}-01-{number // 4 + 1:02d}-01-{actor:02d}"
        features = take.features + noise * rng.normal(size=take.features.shape).astype(np.float32)
        named.append(replace(take, clip_id=f"03-{performance}", performance_id=performance, features=features))
    return named


def caches_in(folder: Path) -> tuple[Path, Path]:
    """A voice and a face of the same performances, which err for themselves."""
    faces = [replace(take, clip_id=f"02{take.clip_id[2:]}") for take in takes(seed=1, noise=1.0)]
    return write_cache(folder, takes(), name="voice", stream="audio"), write_cache(folder, faces, name="face")


def make_run(out: Path, caches: Sequence[Path], **options: Any) -> Path:
    """Train and write a run as `ravfeat fit-heads` does."""
    plan = FitPlan(tuple(caches), **({"heads": ("logreg",)} | options))
    write_run(out, fit_heads(plan), {"command": "ravfeat fit-heads", "heads": list(plan.heads), "settings": {}})
    return out


def weights_on_test(patch: pytest.MonkeyPatch) -> None:
    """Let the fusion choose its mixing weights on the test rows, and everything else as it should."""

    def cheat(systems: Sequence[System], evidence: Sequence[Evidence], rule: Any) -> Any:
        honest, learned = fit_fold(systems, evidence, rule)
        as_val = [Evidence(one.fold, replace(one.read, split="val"), one.read) for one in evidence]
        _, rows = fit_fold(systems, as_val, rule)
        calibrated = honest.calibrated(rows.log_probs)
        weights = {"linear": fit_linear(calibrated, rows.y), "loglinear": fit_loglinear(calibrated, rows.y)}
        return replace(honest, **weights), learned

    patch.setattr("ravfeat.fusion.table.fit_fold", cheat)


def _train_otherwise(
    patch: pytest.MonkeyPatch, *, choose_on: str = "val", pick: Callable[[int], int] | None = None, leak: bool = False
) -> None:
    """Choose on other rows, or by `pick`; with `leak` learn from the test rows too."""

    def cheat(
        head: Head, features: ClipFeatures, y: Any, n_classes: int, tasks: Sequence[tuple[Fold, int]], _: object
    ) -> list[TrainedHead]:
        jobs = [Job(fold.train, getattr(fold, choose_on), seed) for fold, seed in tasks]
        sweeps = head.sweep(features, y, n_classes, jobs)
        picks = [
            head.choose([sweep], [y[job.val]]) if pick is None else pick(len(sweep.candidates))
            for sweep, job in zip(sweeps, jobs, strict=True)
        ]
        chosen = [sweep.candidates[picked] for sweep, picked in zip(sweeps, picks, strict=True)]
        if leak:
            jobs = [Job(np.sort(np.concatenate([fold.train, fold.test])), fold.val, seed) for fold, seed in tasks]
        models = head.fit(features, y, n_classes, jobs, chosen)
        return [
            TrainedHead(fold, seed, model, fold.val, model.logits(features, fold.val))
            for (fold, seed), model in zip(tasks, models, strict=True)
        ]

    patch.setattr("ravfeat.experiment.fit.by_validation", cheat)


def chosen_on_test(patch: pytest.MonkeyPatch) -> None:
    """Let layers and strengths be chosen on the test rows."""
    _train_otherwise(patch, choose_on="test")


def chosen_by(patch: pytest.MonkeyPatch, pick: Callable[[int], int]) -> None:
    """Let `pick` name one of the n candidates, whatever the val rows say."""
    _train_otherwise(patch, pick=pick)


def learned_from_test(patch: pytest.MonkeyPatch) -> None:
    """Let heads learn from the test rows too."""
    _train_otherwise(patch, leak=True)


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    """Edit a JSON file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")
