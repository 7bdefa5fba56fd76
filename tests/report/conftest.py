"""Small simulated runs: logits with known skill, written the way training writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.predictions import Predictions, concatenate, write_scores
from ravfeat.report import build_report
from ravfeat.stats import metric_records, score_rows, write_metrics

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SKILL = np.array([1.0, 1.9, 1.2, 1.0, 2.2, 1.5, 1.7, 2.0])
MIXED_UP = {0: 1, 1: 3, 2: 5, 3: 1, 5: 3, 7: 2}  # who is taken for whom


def simulate(
    *, head: str, actors: int, takes: int, folds: int, seeds: int, gain: float, about: dict[str, Any]
) -> Predictions:
    """Logits of one head: `takes` clips of every actor, each actor tested in one fold (or, leaky, in all)."""
    rng = np.random.default_rng(len(head))
    actor = np.repeat(np.arange(1, actors + 1), takes)
    y = np.tile(np.arange(takes) % len(CLASSES), actors)
    fold = rng.integers(0, folds, len(y)) if about["leaky"] else (actor - 1) % folds
    ease = rng.normal(1.0, 0.25, actors)[actor - 1]
    clear = rng.normal(size=(len(y), len(CLASSES)))
    clear[np.arange(len(y)), y] += gain * SKILL[y] * ease
    for wrong, like in MIXED_UP.items():
        clear[y == wrong, like] += 0.8 * gain
    names = [f"{a:02d}-{i:04d}" for i, a in enumerate(actor)]
    parts = []
    for seed in range(seeds):
        for split, in_fold in (("test", fold), ("val", (fold + 1) % folds)):
            parts.append(
                Predictions.from_columns(
                    {
                        "stream": "audio",
                        "features": "logmel-0f3c9a",
                        "head": head,
                        "seed": seed,
                        "fold": in_fold,
                        "split": split,
                        "clip_id": [f"03-{name}" for name in names],
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
                    "features": "logmel-0f3c9a",
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
    actors: int = 8,
    takes: int = 16,
    folds: int = 4,
    seeds: int = 2,
    recipe: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder; `heads` maps names to skill, and `attentive` learns layer weights."""
    heads = heads or {"attentive": 1.1, "logreg": 0.8}
    about = {"protocol": protocol, "leaky": leaky, "select": select, "synthetic": synthetic}
    shape = {"actors": actors, "takes": takes, "folds": folds, "seeds": seeds}
    predictions = concatenate([simulate(head=name, gain=gain, about=about, **shape) for name, gain in heads.items()])
    folder.mkdir(parents=True)
    predictions.write(folder / "predictions.parquet")
    write_metrics(folder / "metrics.json", metric_records(predictions))
    write_scores(folder / "scores.parquet", score_rows(predictions))
    command = f"ravfeat fit-heads --protocol {protocol} --select {select} --seeds {seeds}"
    (folder / "recipe.json").write_text(json.dumps({"command": command, "corpus": "sim", **(recipe or {})}))
    if "attentive" in heads:
        (folder / "layer_weights.json").write_text(json.dumps(layer_weights("attentive", folds, seeds)))
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run of the given name under the test's folder."""

    def make(name: str = "run", **options: Any) -> Path:
        return write_run(tmp_path / "runs" / name, **options)

    return make


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An actor split and a LEAKY clip split of the same synthetic clips. Read only."""
    base = tmp_path_factory.mktemp("two-runs")
    honest = write_run(base / "quick")
    leaky = write_run(base / "quick-clip6", protocol="clip6", leaky=True, heads={"attentive": 1.9, "logreg": 1.9})
    return [honest, leaky]


@pytest.fixture(scope="session")
def built(two_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `two_runs`. Read only."""
    return build_report(two_runs, tmp_path_factory.mktemp("report")).parent
