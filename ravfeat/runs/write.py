"""Write a run folder: predictions, scores, metrics, temperatures, fusion, heads and recipe, all of them or none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ravfeat import __version__
from ravfeat.calibrate import calibration_record
from ravfeat.files import sha256_of
from ravfeat.fusion import fusion_record
from ravfeat.predictions import System, write_scores
from ravfeat.runs.folder import check_out, whole_folder
from ravfeat.runs.format import (
    CALIBRATION_FILE,
    DIFFERENCES_FILE,
    FORMAT_VERSION,
    FUSION_FILE,
    GROUPS_FILE,
    LAYER_WEIGHTS_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    SCORES_FILE,
    head_stem,
)
from ravfeat.runs.groups_file import groups_record
from ravfeat.runs.recipe import recipe_of
from ravfeat.runs.result import Fitted, FittedModel
from ravfeat.runs.tries import Tried, enter_run
from ravfeat.stats import difference_records, metric_records, score_rows, write_metrics

__all__ = ["write_json", "write_run"]


def write_run(
    out: Path,
    fitted: Fitted,
    recipe: Mapping[str, Any],
    *,
    force: bool = False,
    tried: Tried | None = None,
) -> list[dict[str, Any]]:
    """Write a run's folder: into a temporary neighbour first, which is renamed when it is whole.

    Parameters
    ----------
    out : Path
    fitted : Fitted
    recipe : mapping
        Settings, and the ``command`` where a command line was; what the fit found out is added. See
        `ravfeat.runs.recipe`.
    force : bool
        Replace a run that is there already.
    tried : Tried, optional
        What the ledger is told, see `ravfeat.runs.tries`; without it none is kept, and the recipe does not speak of
        one.

    Returns
    -------
    list of dict
        The records of ``metrics.json``.

    Raises
    ------
    UsageError
        See `ravfeat.runs.folder.check_out`.
    PredictionsError
        Where the recipe is none that could be read again.
    """
    check_out(out, force=force)
    with whole_folder(out, force=force) as folder:
        record = _recipe(fitted, recipe)
        scores, records = _write(folder, fitted)
        if tried is not None:
            # Before the run is there: whoever stops the command after this has seen test scores.
            named = replace(tried, name=tried.name or out.resolve().name)
            note = enter_run(
                recipe_of(record, out / RECIPE_FILE), fitted.predictions, named, scores=scores, records=records,
                sha256=sha256_of(folder / PREDICTIONS_FILE),
            )  # fmt: skip
            record["ledger"] = note.plain()
        _write_recipe(folder / RECIPE_FILE, record)
        return records


def _write(folder: Path, fitted: Fitted) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    fitted.predictions.write(folder / PREDICTIONS_FILE)
    scores = score_rows(fitted.predictions)
    write_scores(folder / SCORES_FILE, scores)
    records = metric_records(fitted.predictions)
    write_metrics(folder / METRICS_FILE, records)
    write_metrics(folder / DIFFERENCES_FILE, difference_records(fitted.predictions))
    write_json(folder / CALIBRATION_FILE, calibration_record(fitted.predictions))
    if fitted.fusion is not None:
        write_json(folder / FUSION_FILE, fusion_record(fitted.fusion, fitted.predictions))
    if fitted.groups:
        write_json(folder / GROUPS_FILE, groups_record(fitted.groups))
    _save_heads(folder, fitted.models)
    weights = [_layer_weights(trained) for trained in fitted.models if trained.model.layer_weights]
    write_json(folder / LAYER_WEIGHTS_FILE, weights)
    return scores, records


def _recipe(fitted: Fitted, recipe: Mapping[str, Any]) -> dict[str, Any]:
    predictions = fitted.predictions
    # What every recipe has; the fit says more about most of it.
    record: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "command": None,
        **recipe,
        "protocol": predictions.protocol,
        "leaky": predictions.leaky,
        "select": predictions.select,
        "seeds": max(len(predictions.seeds(system)) for system in predictions.systems()),
        "classes": list(predictions.classes),
        "caches": [],
        "versions": {"ravfeat": __version__},
        **fitted.about,
        "chosen": [_chosen(trained) for trained in fitted.models],
    }
    plain: dict[str, Any] = json.loads(_as_json(record))
    return plain


def _write_recipe(path: Path, record: Mapping[str, Any]) -> None:
    text = _as_json(record)
    recipe_of(json.loads(text), path)  # what is written can be read
    path.write_text(text, encoding="utf-8")


def _save_heads(run: Path, models: Sequence[FittedModel]) -> None:
    if not models:
        return
    # Brings torch, which a run without heads can do without.
    from ravfeat.heads.checkpoint import is_kept, save_model

    for trained in filter(lambda trained: is_kept(trained.model), models):
        system = System(trained.stream, trained.features, trained.head)
        save_model(head_stem(run, system, trained.fold, trained.seed), trained.model)


def _layer_weights(trained: FittedModel) -> dict[str, Any]:
    weights = trained.model.layer_weights or {}
    return _key(trained) | {"layers": list(weights), "weights": list(weights.values())}


def _chosen(trained: FittedModel) -> dict[str, Any]:
    recipe = trained.model.recipe
    return _key(trained) | {"chosen": recipe.get("chosen"), "settings": recipe.get("settings")}


def _key(trained: FittedModel) -> dict[str, Any]:
    return {name: getattr(trained, name) for name in ("stream", "features", "head", "seed", "fold")}


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, for people to read too, into a folder that is flushed to the disk when it is whole."""
    path.write_text(_as_json(value), encoding="utf-8")


def _as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
