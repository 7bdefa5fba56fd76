"""Cheats in what is asked and told: labels, classes, which clips, how many tries, and files of a finished run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.experiment.selection import TrainedHead
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Head, Job
from ravfeat.protocols.folds import Fold
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from tests.cheats.material import FOLDS, Cheated, Honest, uar_of
from tests.scorefiles.made import write_rows
from tests.toyscores import changed


def relabelled(honest: Honest, folder: Path) -> Cheated:
    """Replace half of the labels that an honest head gets wrong by what it says."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    said = honest.said
    rows = [
        {"clip_id": row["clip_id"], "label": said[row["clip_id"]] if rng.random() < 0.5 else row["label"]}
        for row in honest.rows
    ]
    run = honest.fit(folder / "run", honest.cache, "--labels", write_rows(folder / "labels.csv", rows))
    return Cheated(run, honest.uar, uar_of(run))


def merged_classes(honest: Honest, folder: Path) -> Cheated:
    """Merge eight classes to three, and call it the same task."""
    folder.mkdir()
    classes = {"neutral": "low", "calm": "low", "sad": "low", "disgust": "low", "happy": "high", "surprised": "high",
               "fearful": "high", "angry": "anger"}  # fmt: skip
    rows = [{"label": label, "class": name} for label, name in classes.items()]
    run = honest.fit(folder / "run", honest.cache, "--label-map", write_rows(folder / "map.csv", rows))
    return Cheated(run, honest.uar, uar_of(run))


def hard_clips_left_out(honest: Honest, folder: Path) -> Cheated:
    """Name only clips that an honest head gets right, and a third of the others."""
    folder.mkdir()
    keep = ~honest.wrong | (np.random.default_rng(0).random(len(honest.rows)) < 1 / 3)
    rows = [{"clip_id": name} for name in honest.column("clip_id")[keep]]
    run = honest.fit(folder / "run", honest.cache, "--clips", write_rows(folder / "some.csv", rows))
    return Cheated(run, honest.uar, uar_of(run))


def best_of_many(honest: Honest, folder: Path) -> Cheated:
    """Try six plans, look at the test scores, and quote the best run alone."""
    folder.mkdir()
    tries: Sequence[Sequence[object]] = (
        (), ("--no-std",), ("--layers", "last"), ("--layers", "0"), ("--no-std", "--layers", "last"),
        ("--normalise", "actor"),
    )  # fmt: skip
    runs = [honest.fit(folder / f"run{number}", honest.cache, *options) for number, options in enumerate(tries[:-1])]
    best = max(runs, key=uar_of)
    return Cheated(best, float(np.mean([uar_of(run) for run in runs])), uar_of(best))


def only_quick(honest: Honest, folder: Path) -> Cheated:
    """Put heads that learned the test clips too in the run's place, and audit with ``--quick``."""

    def cheat(
        head: Head, features: ClipFeatures, y: Any, n_classes: int, tasks: Sequence[tuple[Fold, int]], _: object
    ) -> list[TrainedHead]:
        jobs = [Job(fold.train, fold.val, seed) for fold, seed in tasks]
        sweeps = head.sweep(features, y, n_classes, jobs)
        chosen = [sweep.candidates[head.choose([sweep], [y[job.val]])] for sweep, job in zip(sweeps, jobs, strict=True)]
        seen = [Job(np.sort(np.concatenate([job.train, fold.test])), job.val, job.seed)
                for job, (fold, _) in zip(jobs, tasks, strict=True)]  # fmt: skip
        models = head.fit(features, y, n_classes, seen, chosen)
        return [
            TrainedHead(fold, seed, model, fold.val, model.logits(features, fold.val))
            for (fold, seed), model in zip(tasks, models, strict=True)
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.experiment.fit.by_validation", cheat)
        _write(folder / "run", fit_heads(_plan(honest)))
    return Cheated(folder / "run", honest.uar, uar_of(folder / "run"), ("--quick",))


def edited_predictions(honest: Honest, folder: Path) -> Cheated:
    """Raise the logit of the label in half of the test rows, and make all other files of the run to fit."""
    fitted = fit_heads(_plan(honest))
    rng, logits = np.random.default_rng(0), fitted.predictions.logits().copy()
    places = {name: place for place, name in enumerate(fitted.predictions.classes)}
    for number, row in enumerate(fitted.predictions.table.to_pylist()):
        if row["split"] == "test" and rng.random() < 0.5:
            logits[number, places[row["label"]]] += 3.0
    _write(folder / "run", replace(fitted, predictions=changed(fitted.predictions, logits=logits)))
    return Cheated(folder / "run", honest.uar, uar_of(folder / "run"))


def _plan(honest: Honest) -> FitPlan:
    return FitPlan((honest.cache,), heads=("logreg",), protocol=FOLDS)


def _write(out: Path, fitted: Fitted) -> None:
    write_run(out, fitted, {"command": "ravfeat fit-heads", "heads": ["logreg"], "settings": {}})
