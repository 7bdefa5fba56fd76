"""Prediction tables of simulated systems: streams that err independently, one surer than it is right."""

from typing import Any

import numpy as np

from ravfeat.predictions import Predictions, concatenate

CLASSES = ("calm", "happy", "sad", "angry")


def scores(
    *,
    stream: str = "audio",
    features: str = "voice",
    head: str = "logreg",
    skill: float = 1.5,
    sharp: float = 1.0,
    seeds: int = 1,
    actors: int = 8,
    takes: int = 12,
    folds: int = 4,
    val: str = "actors",
    leaky: bool = False,
    labels: int | None = None,
    seed: int = 0,
) -> Predictions:
    """Logits that know the class by `skill`, times `sharp`.

    Actors are tested in turn; val rows are those of the next fold's actors (``val="actors"``), of all actors that are
    not tested (``"nested"``), or there are none (``"none"``). `labels` shuffles the labels with that seed.
    """
    rng = np.random.default_rng([seed, len(stream) + sum(map(ord, features + head))])
    actor = np.repeat(np.arange(actors), takes)
    y = np.tile(np.arange(takes) % len(CLASSES), actors)
    clear = rng.normal(size=(len(y), len(CLASSES)))
    clear[np.arange(len(y)), y] += skill * rng.uniform(0.6, 1.4, actors)[actor]
    if labels is not None:
        y = np.random.default_rng(labels).permutation(y)
    tested = np.random.default_rng(5).integers(0, folds, len(y)) if leaky else actor % folds
    names = np.array([f"{a:02d}-{i:03d}" for a, i in zip(actor, range(len(y)), strict=True)])
    blocks = []
    for fold in range(folds):
        blocks.append((fold, "test", tested == fold))
        if val != "none":
            blocks.append((fold, "val", tested == (fold + 1) % folds if val == "actors" else tested != fold))
    parts = []
    for one in range(seeds):
        for fold, split, mask in blocks:
            noise = np.random.default_rng([one, fold, split == "val"]).normal(0, 0.3, (mask.sum(), len(CLASSES)))
            parts.append(
                Predictions.from_columns(
                    {
                        "stream": stream, "features": features, "head": head, "seed": one, "fold": fold, "split": split,
                        "clip_id": [f"{stream}-{name}" for name in names[mask]], "performance_id": names[mask],
                        "actor": [f"toy:{a:02d}" for a in actor[mask]], "label": [CLASSES[k] for k in y[mask]],
                        "logits": sharp * (clear[mask] + noise),
                    },
                    classes=CLASSES, protocol="clip4" if leaky else "group4", leaky=leaky,
                    select={"actors": "val", "nested": "nested", "none": "crossfit"}[val], synthetic=True,
                )
            )  # fmt: skip
    return concatenate(parts)


def changed(predictions: Predictions, **columns: Any) -> Predictions:
    """The same table with other values in some columns."""
    table = predictions.table
    kept = {name: table[name].to_pylist() for name in table.column_names}
    about = {name: getattr(predictions, name) for name in ("classes", "protocol", "leaky", "select", "synthetic")}
    return Predictions.from_columns(kept | columns, **about)


def two_streams(**options: object) -> Predictions:
    """A voice with two seeds that is far too sure, and a face that is not sure enough."""
    voice = scores(stream="audio", features="voice", skill=1.6, sharp=4.0, seeds=2, **options)  # type: ignore[arg-type]
    face = scores(stream="face", features="face", skill=1.2, sharp=0.4, **options)  # type: ignore[arg-type]
    return concatenate([voice, face])
