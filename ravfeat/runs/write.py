"""A run on disk: predictions, scores, metrics, calibration, fusion, heads and the recipe, all of them or none."""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ravfeat.calibrate import calibration_record
from ravfeat.errors import UsageError
from ravfeat.fusion import fusion_record
from ravfeat.predictions import write_scores
from ravfeat.runs.result import Fitted, FittedModel
from ravfeat.stats import difference_records, metric_records, score_rows, write_metrics

__all__ = ["check_out", "whole_folder", "write_json", "write_run"]

_RECIPE = "recipe.json"


def check_out(
    out: Path, *, force: bool = False, what: str = "run", known_by: str = _RECIPE, option: str = "--out"
) -> None:
    """Refuse an output folder that holds something or cannot be made, before anything is trained.

    Parameters
    ----------
    out : Path
    force : bool
        Allow a run that is there already.
    what, known_by : str
        What the folder may hold, and the file that tells.
    option : str
        What the user named it by.

    Raises
    ------
    UsageError
        Where the folder holds something.
    OSError
        Where it cannot be made.
    """
    _tidy(out)
    _check_free(out, force=force, what=what, known_by=known_by, option=option)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(out, "tmp")
    beside.mkdir()
    beside.rmdir()


def _check_free(out: Path, *, force: bool, what: str, known_by: str, option: str) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / known_by).is_file():
            raise UsageError(f"{out} exists and is not a {what}; choose another {option}")
        if not force:
            raise UsageError(f"{out} already holds a {what}; choose another {option}, or replace it with --force")


def _tidy(out: Path) -> None:
    """Take away what a killed command left beside a folder; put back what it was about to replace."""
    place = out.resolve()
    if not place.parent.is_dir():
        return
    # Those of other machines on a shared disk may be in use.
    mine = re.compile(re.escape(f".{place.name}.{socket.gethostname()}-") + r"(\d+)\.(tmp|old)")
    for left in list(place.parent.iterdir()):
        match = mine.fullmatch(left.name)
        if match is None or _alive(int(match[1])):
            continue
        if match[2] == "old" and not place.exists():
            left.rename(place)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_run(out: Path, fitted: Fitted, recipe: Mapping[str, Any], *, force: bool = False) -> list[dict[str, Any]]:
    """Write a run's folder: into a temporary neighbour first, which is renamed when it is whole.

    Parameters
    ----------
    out : Path
    fitted : Fitted
    recipe : mapping
        The command and its settings; what the fit found out is added.
    force : bool
        Replace a run that is there already.

    Returns
    -------
    list of dict
        The records of ``metrics.json``.

    Raises
    ------
    UsageError
        See `check_out`.
    """
    check_out(out, force=force)
    with whole_folder(out, force=force) as folder:
        return _write(folder, fitted, recipe)


@contextmanager
def whole_folder(
    out: Path, *, force: bool = False, what: str = "run", known_by: str = _RECIPE, option: str = "--out"
) -> Iterator[Path]:
    """Lend a temporary neighbour of a folder, which takes its place once it was filled without an error.

    Whatever was there is gone then, and untouched otherwise; see `check_out`.

    Raises
    ------
    UsageError
        Where something came there in the meantime.
    """
    place, temporary, old = out.resolve(), _beside(out, "tmp"), _beside(out, "old")
    try:
        temporary.mkdir()
        yield temporary
        _check_free(
            out, force=force, what=what, known_by=known_by, option=option
        )  # another command may have been quicker
        if place.exists():
            place.rename(old)  # a moment later the name stands for the new folder
        temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path, ending: str) -> Path:
    place = out.resolve()  # of a link the place that it points to; of "." the folder's own name
    return place.with_name(f".{place.name}.{socket.gethostname()}-{os.getpid()}.{ending}")


def _write(folder: Path, fitted: Fitted, recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    fitted.predictions.write(folder / "predictions.parquet")
    write_scores(folder / "scores.parquet", score_rows(fitted.predictions))
    records = metric_records(fitted.predictions)
    write_metrics(folder / "metrics.json", records)
    write_metrics(folder / "differences.json", difference_records(fitted.predictions))
    write_json(folder / "calibration.json", calibration_record(fitted.predictions))
    if fitted.fusion is not None:
        write_json(folder / "fusion.json", fusion_record(fitted.fusion, fitted.predictions))
    if fitted.models:
        _save_heads(folder / "heads", fitted.models)
    weights = [_layer_weights(one) for one in fitted.models if one.model.layer_weights]
    write_json(folder / "layer_weights.json", weights)
    chosen = [_chosen(one) for one in fitted.models]
    write_json(folder / _RECIPE, {**recipe, **fitted.about, "chosen": chosen})
    return records


def _save_heads(folder: Path, models: Sequence[FittedModel]) -> None:
    from ravfeat.heads.checkpoint import save_model  # brings torch, which a run without heads can do without

    for one in models:
        system = f"{one.stream}-{one.features}-{one.head}"
        save_model(folder / system / f"fold-{one.fold}-seed-{one.seed}", one.model)


def _layer_weights(one: FittedModel) -> dict[str, Any]:
    weights = one.model.layer_weights or {}
    return _key(one) | {"layers": list(weights), "weights": list(weights.values())}


def _chosen(one: FittedModel) -> dict[str, Any]:
    return _key(one) | {"chosen": one.model.recipe.get("chosen"), "settings": one.model.recipe.get("settings")}


def _key(one: FittedModel) -> dict[str, Any]:
    return {"stream": one.stream, "features": one.features, "head": one.head, "seed": one.seed, "fold": one.fold}


def write_json(path: Path, value: object) -> None:
    """Write a JSON file for people to read too."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
