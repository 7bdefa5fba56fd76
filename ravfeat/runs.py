"""A run on disk: predictions, scores, metrics, heads and the recipe, all of them or none.

Offers
------
write_run.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ravfeat.errors import UsageError
from ravfeat.experiment import Fitted, FittedModel
from ravfeat.heads.checkpoint import save_model
from ravfeat.predictions import write_scores
from ravfeat.stats import metric_records, score_rows, write_metrics

__all__ = ["check_out", "write_run"]


def check_out(out: Path, *, force: bool = False) -> None:
    """Refuse an output folder that holds something, before anything is trained.

    Raises
    ------
    UsageError
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "recipe.json").is_file():
        raise UsageError(f"{out} exists and is not a run; choose another --out")
    if not force:
        raise UsageError(f"{out} already holds a run; choose another --out, or replace it with --force")


def write_run(out: Path, fitted: Fitted, recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write a run's folder: into a temporary neighbour first, which is renamed when it is whole.

    Parameters
    ----------
    out : Path
    fitted : Fitted
    recipe : mapping
        The command and its settings; what the fit found out is added.

    Returns
    -------
    list of dict
        The records of ``metrics.json``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        records = _write(temporary, fitted, recipe)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return records


def _write(folder: Path, fitted: Fitted, recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    fitted.predictions.write(folder / "predictions.parquet")
    write_scores(folder / "scores.parquet", score_rows(fitted.predictions))
    records = metric_records(fitted.predictions)
    write_metrics(folder / "metrics.json", records)
    for one in fitted.models:
        system = f"{one.stream}-{one.features}-{one.head}"
        save_model(folder / "heads" / system / f"fold-{one.fold}-seed-{one.seed}", one.model)
    weights = [_layer_weights(one) for one in fitted.models if one.model.layer_weights]
    _write_json(folder / "layer_weights.json", weights)
    chosen = [_chosen(one) for one in fitted.models]
    _write_json(folder / "recipe.json", {**recipe, **fitted.about, "chosen": chosen})
    return records


def _layer_weights(one: FittedModel) -> dict[str, Any]:
    weights = one.model.layer_weights or {}
    return _key(one) | {"layers": list(weights), "weights": list(weights.values())}


def _chosen(one: FittedModel) -> dict[str, Any]:
    return _key(one) | {"chosen": one.model.recipe.get("chosen"), "settings": one.model.recipe.get("settings")}


def _key(one: FittedModel) -> dict[str, Any]:
    return {"stream": one.stream, "features": one.features, "head": one.head, "seed": one.seed, "fold": one.fold}


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
