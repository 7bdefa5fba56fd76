"""Cheats in what is asked and told: labels, classes, which clips, how many tries, and files of a finished run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ravfeat.predictions import Predictions
from tests.audit.runs import learned_from_test, make_run
from tests.cheats.material import FOLDS, Cheated, Honest, uar_of
from tests.report.simulated import write_made
from tests.scorefiles.made import write_rows
from tests.toyscores import changed


def relabelled(honest: Honest, folder: Path) -> Cheated:
    """Replace half of the labels that an honest head gets wrong by what it says."""
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
    classes = {"neutral": "low", "calm": "low", "sad": "low", "disgust": "low", "happy": "high", "surprised": "high",
               "fearful": "high", "angry": "anger"}  # fmt: skip
    rows = [{"label": label, "class": name} for label, name in classes.items()]
    run = honest.fit(folder / "run", honest.cache, "--label-map", write_rows(folder / "map.csv", rows))
    return Cheated(run, honest.uar, uar_of(run))


def hard_clips_left_out(honest: Honest, folder: Path) -> Cheated:
    """Name only clips that an honest head gets right, and a third of the others."""
    keep = ~honest.wrong | (np.random.default_rng(0).random(len(honest.rows)) < 1 / 3)
    rows = [{"clip_id": name} for name in honest.column("clip_id")[keep]]
    run = honest.fit(folder / "run", honest.cache, "--clips", write_rows(folder / "some.csv", rows))
    return Cheated(run, honest.uar, uar_of(run))


def best_of_many(honest: Honest, folder: Path) -> Cheated:
    """Try five plans, look at the test scores, and quote the best run alone."""
    tries: Sequence[Sequence[object]] = (
        (), ("--no-std",), ("--layers", "last"), ("--layers", "0"), ("--no-std", "--layers", "last"),
    )  # fmt: skip
    runs = [honest.fit(folder / f"run{number}", honest.cache, *options) for number, options in enumerate(tries)]
    best = max(runs, key=uar_of)
    return Cheated(best, float(np.mean([uar_of(run) for run in runs])), uar_of(best))


def only_quick(honest: Honest, folder: Path) -> Cheated:
    """Put heads that learned the test clips too in the run's place, and audit with ``--quick``."""
    with pytest.MonkeyPatch.context() as patch:
        learned_from_test(patch)
        run = make_run(folder / "run", [honest.cache], protocol=FOLDS)
    return Cheated(run, honest.uar, uar_of(run), ("--quick",))


def edited_predictions(honest: Honest, folder: Path) -> Cheated:
    """Raise the logit of the label in half of the test rows, and make all other files of the run to fit."""
    run = make_run(folder / "run", [honest.cache], protocol=FOLDS)
    predictions = Predictions.read(run / "predictions.parquet")
    rng, logits = np.random.default_rng(0), predictions.logits().copy()
    places = {name: place for place, name in enumerate(predictions.classes)}
    for number, row in enumerate(predictions.table.to_pylist()):
        if row["split"] == "test" and rng.random() < 0.5:
            logits[number, places[row["label"]]] += 3.0
    write_made(run, changed(predictions, logits=logits))
    return Cheated(run, honest.uar, uar_of(run))
