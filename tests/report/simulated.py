"""Small simulated runs: logits with known skill, written the way training writes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.calibrate import calibration_record
from ravfeat.fusion import fuse, fusion_record
from ravfeat.predictions import Predictions, concatenate, write_scores
from ravfeat.report.graded import Graded, grade
from ravfeat.runs.read import read_runs
from ravfeat.stats import difference_records, metric_records, score_rows, write_metrics

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SKILL = {
    "audio": np.array([1.0, 1.9, 1.2, 1.0, 2.2, 1.5, 1.7, 2.0]),
    "face": np.array([1.2, 1.0, 2.1, 1.3, 1.5, 1.0, 1.9, 1.1]),
}
MIXED_UP = {0: 1, 1: 3, 2: 5, 3: 1, 5: 3, 7: 2}  # who is taken for whom
FEATURES = {"audio": "logmel-0f3c9a", "face": "landmarks-77ab01"}
SIDES = {"audio": "03", "face": "02"}  # two streams of one performance are two clips


def simulate(
    *,
    head: str,
    actors: int,
    takes: int,
    folds: int,
    seeds: int,
    gain: float,
    about: dict[str, Any],
    stream: str = "audio",
) -> Predictions:
    """Logits of one head: `takes` clips of every actor, each actor tested in one fold (or, leaky, in all)."""
    rng = np.random.default_rng([len(head), len(stream)])
    actor = np.repeat(np.arange(1, actors + 1), takes)
    y = np.tile(np.arange(takes) % len(CLASSES), actors)
    fold = np.random.default_rng(7).integers(0, folds, len(y)) if about["leaky"] else (actor - 1) % folds
    ease = rng.normal(1.0, 0.25, actors)[actor - 1]
    clear = rng.normal(size=(len(y), len(CLASSES)))
    clear[np.arange(len(y)), y] += gain * SKILL[stream][y] * ease
    if stream == "audio":
        for wrong, like in MIXED_UP.items():
            clear[y == wrong, like] += 0.8 * gain
    names = [f"{a:02d}-{i:04d}" for i, a in enumerate(actor)]
    splits = [("test", fold)] if about["select"] == "crossfit" else [("test", fold), ("val", (fold + 1) % folds)]
    parts = []
    for seed in range(seeds):
        for split, in_fold in splits:
            parts.append(
                Predictions.from_columns(
                    {
                        "stream": stream,
                        "features": FEATURES[stream],
                        "head": head,
                        "seed": seed,
                        "fold": in_fold,
                        "split": split,
                        "clip_id": [f"{SIDES[stream]}-{name}" for name in names],
                        "performance_id": names,
                        "actor": [f"sim:{a:02d}" for a in actor],
                        "label": [CLASSES[k] for k in y],
                        "logits": 2 * clear + rng.normal(size=clear.shape) + (split == "val") * 0.3 * np.eye(8)[y],
                    },
                    classes=CLASSES,
                    **about,
                )
            )
    return concatenate(parts)


def layer_weights(head: str, folds: int, seeds: int, layers: int = 13) -> list[dict[str, Any]]:
    """Weights that like the middle layers, a little different in every model."""
    rng = np.random.default_rng(3)
    entries = []
    for seed in range(seeds):
        for fold in range(folds):
            logits = -(((np.arange(layers) - 0.55 * layers) / (0.3 * layers)) ** 2) + rng.normal(0, 0.15, layers)
            weights = np.exp(logits) / np.exp(logits).sum()
            entries.append(
                {
                    "stream": "audio",
                    "features": FEATURES["audio"],
                    "head": head,
                    "seed": seed,
                    "fold": fold,
                    "layers": list(range(layers)),
                    "weights": weights.tolist(),
                }
            )
    return entries


def write_run(
    folder: Path,
    *,
    protocol: str = "group4",
    select: str = "val",
    leaky: bool = False,
    synthetic: bool = True,
    heads: dict[str, float] | None = None,
    faces: dict[str, float] | None = None,
    rule: str | None = None,
    actors: int = 8,
    takes: int = 16,
    folds: int = 4,
    seeds: int = 2,
    recipe: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder.

    `heads` and `faces` map names of heads on a voice and on a face to their skill; `attentive` learns layer
    weights. With faces, everything is fused by `rule`, or by the one that suits.
    """
    heads = heads or {"attentive": 1.1, "logreg": 0.8}
    about = {"protocol": protocol, "leaky": leaky, "select": select, "synthetic": synthetic}
    shape = {"actors": actors, "takes": takes, "folds": folds, "seeds": seeds}
    streams = {"audio": heads, "face": faces or {}}
    predictions = concatenate(
        [
            simulate(head=name, gain=gain, about=about, stream=stream, **shape)
            for stream, own in streams.items()
            for name, gain in own.items()
        ]
    )
    folder.mkdir(parents=True)
    command = f"ravfeat fit-heads --protocol {protocol} --select {select} --seeds {seeds}"
    (folder / "recipe.json").write_text(json.dumps({"command": command, "corpus": "sim", **(recipe or {})}))
    if "attentive" in heads:
        (folder / "layer_weights.json").write_text(json.dumps(layer_weights("attentive", folds, seeds)))
    if faces or rule:
        predictions, fusion = fuse(predictions, rule or "auto")
        (folder / "fusion.json").write_text(json.dumps(fusion_record(fusion, predictions)))
    write_made(folder, predictions)
    return folder


def write_made(folder: Path, predictions: Predictions) -> None:
    """Write predictions and whatever is made from them."""
    predictions.write(folder / "predictions.parquet")
    write_metrics(folder / "metrics.json", metric_records(predictions))
    write_metrics(folder / "differences.json", difference_records(predictions))
    write_scores(folder / "scores.parquet", score_rows(predictions))
    (folder / "calibration.json").write_text(json.dumps(calibration_record(predictions)))


def graded_of(runs: Sequence[Path]) -> list[Graded]:
    """Read and grade."""
    return grade(read_runs(list(runs)))
