"""Simulated scores of RAVDESS clips, and files of them as any program might write them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.numerics.softmax import softmax
from ravfeat.predictions import CROSSFIT, Predictions
from ravfeat.protocols.named import FIXED
from ravfeat.schema import RAVDESS_LABELS

NAMES = [f"01-{emotion:02d}-01-01-01-{actor:02d}" for actor in range(1, 25) for emotion in range(1, 9)]
"""One performance of every actor and emotion, without the modality."""

Row = dict[str, Any]


def simulated(
    stream: str = "audio", *, features: str = "", seeds: int = 2, gain: float = 1.5, val: bool = True, draw: int = 0
) -> Predictions:
    """Give logits of one system under ravdess6, on clips that are named as RAVDESS names them."""
    rng = np.random.default_rng([draw, stream == "face"])
    protocol = FIXED["ravdess6"]
    modality = "02" if stream == "face" else "03"
    clips = [clip for name in NAMES if (clip := parse_stem(f"{modality}-{name}"))]
    y = np.array([RAVDESS_LABELS.index(clip.label) for clip in clips])
    actors = np.array([int(clip.actor[-2:]) for clip in clips])
    clear = rng.normal(size=(len(clips), 8)) + gain * np.eye(8)[y]
    facts: dict[str, list[Any]] = {name: [] for name in ("seed", "fold", "split", "row")}
    for seed in range(seeds):
        for split, groups in (("test", protocol.test), *((("val", protocol.val),) if val else ())):
            for fold, group in enumerate(groups):
                own = np.flatnonzero(np.isin(actors, group)).tolist()
                facts["row"] += own
                for name, value in (("seed", seed), ("fold", fold), ("split", split)):
                    facts[name] += [value] * len(own)
    own = facts.pop("row")
    return Predictions.from_columns(
        {
            "stream": stream,
            "features": features or f"{stream}-features",
            "head": "logreg",
            **facts,
            "clip_id": [clips[row].clip_id for row in own],
            "performance_id": [clips[row].performance_id for row in own],
            "actor": [clips[row].actor for row in own],
            "label": [clips[row].label for row in own],
            "logits": 2 * clear[own] + rng.normal(size=(len(own), 8)),
        },
        classes=RAVDESS_LABELS,
        protocol="ravdess6",
        leaky=False,
        select="val" if val else CROSSFIT,
        synthetic=False,
    )


def rows_of(
    predictions: Predictions, *, probabilities: bool = False, facts: Sequence[str] = ("fold", "split", "seed")
) -> list[Row]:
    """Give the rows of a score file: the name, some facts, and a column for each class."""
    scores = predictions.logits().astype(np.float64)
    values = softmax(scores) if probabilities else scores
    columns = {"performance": "performance_id"}
    return [
        {"name": row["clip_id"], **{fact: row[columns.get(fact, fact)] for fact in facts}}
        | dict(zip(predictions.classes, own, strict=True))
        for row, own in zip(predictions.table.to_pylist(), values.tolist(), strict=True)
    ]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write a score file, CSV or Parquet by its ending; numbers keep all their digits."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
