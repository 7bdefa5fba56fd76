"""Do the steps of a reproduction, and decide which of them are done already.

A step is done where its folder holds a whole run of the same plan on caches that hold the same: anything else there,
a run that was changed by hand too, is replaced. A folder appears whole or not at all, so whatever interrupted a study
costs one step.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ravfeat.corpora import data_root, load_corpus
from ravfeat.errors import PredictionsError
from ravfeat.experiment.fit import fit_heads
from ravfeat.experiment.plan_file import plan_record
from ravfeat.finetune import FineTunePlan, fine_tune, prepare, remove_work, work_folder
from ravfeat.reproduce.steps import Fit, Splits, Step, Tune
from ravfeat.runs.format import ACTOR_RUN, CLIP_RUN, SPLITS_FILE
from ravfeat.runs.read import Run, read_runs
from ravfeat.runs.recipe import read_recipe
from ravfeat.runs.records import read_splits
from ravfeat.runs.tries import Tried
from ravfeat.runs.write import write_run
from ravfeat.splits.compare import compare_splits, write_comparison

__all__ = ["do_step", "is_done", "run_folders"]

_log = logging.getLogger(__name__)

_ROUNDING = 1e-6
"""Scores are sums: another numpy may move the last digits."""


def run_folders(step: Step, folder: Path) -> tuple[Path, ...]:
    """Give the run folders in a step's folder: of a comparison the actor split, then the LEAKY clip split."""
    return (folder / ACTOR_RUN, folder / CLIP_RUN) if isinstance(step, Splits) else (folder,)


def is_done(step: Step, folder: Path) -> bool:
    """Tell whether a folder holds what a step would give."""
    try:
        recipe = read_recipe(run_folders(step, folder)[0])
    except PredictionsError:  # not there, or not a run: it is made
        return False
    if isinstance(step, Tune):
        same = recipe.step == _tune_record(step)
    else:
        digests = {origin.content_sha256 for origin in recipe.origins()}
        same = recipe.plan == _plan_of(step) and digests == _digests(step)
    return same and _is_whole(step, folder)


def _is_whole(step: Step, folder: Path) -> bool:
    try:
        runs = read_runs(run_folders(step, folder))
        if isinstance(step, Splits):
            _check_gaps(folder, runs)
    except PredictionsError as error:
        _log.warning("%s is made again: %s", folder, error)
        return False
    return True


def _check_gaps(folder: Path, runs: Sequence[Run]) -> None:
    """Refuse a ``splits.json`` whose gaps are not those of the two runs beside it."""
    actor, clip = (
        {_system(record): record["value"] for record in run.records if _is_graded_by(record)} for run in runs
    )
    gaps = {_system(row): row["gap"]["value"] for row in read_splits(folder)["systems"]}
    expected = {system: clip[system] - actor[system] for system in actor.keys() & clip.keys()}
    if gaps.keys() != expected.keys() or any(abs(gaps[system] - expected[system]) > _ROUNDING for system in gaps):
        raise PredictionsError(f"{folder / SPLITS_FILE} does not belong to the runs beside it")


def _system(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["stream"], record["features"], record["head"]


def _is_graded_by(record: Mapping[str, Any]) -> bool:
    return (record["metric"], record["averaging"]) == ("uar", "pooled")


def do_step(step: Step, folder: Path, command: str | None = None) -> None:
    """Do a step, in place of what its folder holds.

    Parameters
    ----------
    step : Step
    folder : Path
    command : str or None
        The command line, for the recipe; None where the study is made from Python.

    Raises
    ------
    RavfeatError
        Where it cannot be done; the folder is as it was.
    """
    recipe: dict[str, Any] = {"command": command, "settings": {}}
    if isinstance(step, Tune):
        _tune(step, folder, recipe)
    elif isinstance(step, Splits):
        recipe["heads"] = list(step.plan.heads)
        write_comparison(folder, compare_splits(step.plan), recipe, force=True, kind="reproduce")
    else:
        recipe["heads"] = list(step.plan.heads)
        write_run(folder, fit_heads(step.plan), recipe, force=True, tried=Tried("reproduce"))


def _tune(step: Tune, folder: Path, recipe: Mapping[str, Any]) -> None:
    plan = FineTunePlan(
        load_corpus("ravdess", step.data),
        data_root("ravdess", step.data),
        step.encoder,
        step.unfreeze_top,
        device=step.device,
    )
    fitted = fine_tune(prepare(plan), work_folder(folder))
    recipe = {**recipe, "heads": [plan.head_name], "step": _tune_record(step)}
    write_run(folder, fitted, recipe, force=True, tried=Tried("reproduce"))
    remove_work(work_folder(folder))


def _tune_record(step: Tune) -> dict[str, Any]:
    return {"encoder": step.encoder, "unfreeze_top": step.unfreeze_top, "data": str(step.data)}


def _plan_of(step: Fit | Splits) -> dict[str, Any]:
    # A comparison trains under its own two protocols, and fuses nothing.
    plan = replace(step.plan, allow_leak=False, rule=None) if isinstance(step, Splits) else step.plan
    return json.loads(json.dumps(plan_record(plan)))  # type: ignore[no-any-return]  # a dict comes back as one


def _digests(step: Fit | Splits) -> set[str]:
    """Give the digests of all that a step would read."""
    views = step.materials if step.plan.train_views else ()
    return {
        *(material.content_sha256 for material in step.materials),
        *(digest for material in views for digest in material.views_sha256),
    }
