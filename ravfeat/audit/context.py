"""What all checks of an audit share: the run's recipe, predictions, caches and its plan made ready again.

A run that cannot be opened in full is opened as far as it can be: each thing that is missing has its reason beside it,
and a check that needs it gives that reason as its finding.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.audit.cache_paths import CacheLocation, locate_caches
from ravfeat.audit.cross_corpus import cross_plan_of
from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.crosscorpus.run import prepare_across
from ravfeat.errors import LeakError, PredictionsError, RavfeatError, UsageError
from ravfeat.experiment.fit import PreparedPlan, prepare
from ravfeat.experiment.own_heads import with_code
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.plan_file import plan_of
from ravfeat.predictions import Predictions, System
from ravfeat.protocols.fold_file import fold_file_name
from ravfeat.protocols.named import fold_file_of, get_protocol
from ravfeat.protocols.unchecked import plain_protocol
from ravfeat.runs.format import HEADS_FOLDER, PREDICTIONS_FILE
from ravfeat.runs.recipe import Recipe, read_recipe

__all__ = ["RunContext", "check_plan", "open_run"]

_PLAN = "plan as recorded"
_PLACES = {"path", "published", "source"}


@dataclass(frozen=True)
class RunContext:
    """A run, opened as far as it can be.

    Attributes
    ----------
    path : Path
    recipe : Recipe
    predictions : Predictions or None
        None where ``predictions.parquet`` is refused; `refusal` says why.
    refusal : str
    locations : tuple of CacheLocation
        The caches that it was made from.
    prepared : PreparedPlan or None
        Its plan on these caches; None where `reason` says so.
    reason : str
    fold_leak : str
        Why the folds do not hold any more; empty where they do.
    plan_fault : str
        Why the recorded plan cannot be the one that the run was made by; empty where it can.
    """

    path: Path
    recipe: Recipe
    predictions: Predictions | None
    refusal: str
    locations: tuple[CacheLocation, ...]
    prepared: PreparedPlan | None
    reason: str = ""
    fold_leak: str = ""
    plan_fault: str = ""

    def systems(self) -> list[System]:
        """Give the systems that predictions were read of."""
        return [] if self.predictions is None else self.predictions.systems()


def open_run(
    path: Path,
    caches: Sequence[Path] = (),
    *,
    device: str = "cpu",
    without_caches: bool = False,
    heads: Sequence[str] = (),
) -> RunContext:
    """Open a run folder.

    Parameters
    ----------
    path : Path
    caches : sequence of Path
        Where caches lie that were moved.
    device : str
        Where heads are trained and read.
    without_caches : bool
        Go on where caches are gone.
    heads : sequence of str
        References to the code of the run's own heads, which is run.

    Raises
    ------
    PredictionsError
        Where there is no run, or its recipe cannot be read.
    CacheError
        Where a cache is gone; see `locate_caches`.
    UsageError, PluginError
        Where code is none of the run's, has changed since, or fails.
    """
    recipe = read_recipe(path)
    predictions, refusal = _read_predictions(path / PREDICTIONS_FILE)
    locations = locate_caches(recipe, caches, without=without_caches)
    context = RunContext(path, recipe, predictions, refusal, locations, None)
    if reason := _untrained(path, recipe):
        return replace(context, reason=reason)
    moved = {location.recorded: location.path for location in locations if location.path is not None}

    def locate(recorded: Path) -> Path:
        return moved.get(recorded, recorded)

    # From here on a missing or unreadable plan is a fault of the run: whoever trains heads records one.
    try:
        entry = _plan_entry(recipe)
        plan = plan_of(entry, where=locate)
    except RavfeatError as error:
        return replace(context, reason=str(error), plan_fault=str(error))
    plan = with_code(plan, heads) if heads else plan
    context = replace(context, plan_fault=_contradiction(recipe, entry, locations))
    if reason := _unusable(locations):
        return replace(context, reason=reason)
    return _with_prepared(context, replace(plan, device=device), locate)


def _with_prepared(context: RunContext, plan: FitPlan, locate: Callable[[Path], Path]) -> RunContext:
    """Make the plan ready; caches that are what they were and a plan that is the run's cannot be refused."""
    try:
        if context.recipe.cross_corpus is not None:
            prepared = prepare_across(cross_plan_of(context.recipe, plan, locate))
        else:
            prepared = prepare(plan)
        fault = context.plan_fault or _told_otherwise(context.recipe, prepared)
        return replace(context, prepared=prepared, plan_fault=fault)
    except LeakError as error:
        return replace(context, reason=f"the folds leak: {error}", fold_leak=str(error))
    except RavfeatError as error:
        fault = f"the recorded plan cannot be made ready again: {error}"
    except OSError as error:
        fault = f"{error.filename} is not there any more"
    except (TypeError, ValueError) as error:  # settings of another kind than the heads have
        fault = f"the recorded plan holds what no head takes: {error}"
    return replace(context, reason=fault, plan_fault=fault)


def check_plan(context: RunContext) -> list[Line]:
    """Tell whether the plan could be made ready again, and agrees with the rest of the recipe."""
    if context.plan_fault:
        return [edited(_PLAN, "", context.plan_fault)]
    if context.prepared is None:
        return [not_possible(_PLAN, "", context.reason)]
    prepared = context.prepared
    return [
        pass_(
            _PLAN,
            "",
            f"made ready again: '{prepared.protocol.name}', select {prepared.select}, {sum(map(len, prepared.heads))}"
            " systems, as the recipe says elsewhere",
        )
    ]


def _untrained(path: Path, recipe: Recipe) -> str:
    """Say why a run needs no plan; empty where it trained heads on caches."""
    if recipe.plan is not None or recipe.cross_corpus is not None:
        return ""
    if recipe.fine_tuned is not None and not recipe.caches:
        return "the run fine-tuned its encoder on the clips themselves, and read no cache of features"
    heads = path / HEADS_FOLDER
    if recipe.caches or recipe.chosen or (heads.is_dir() and any(heads.iterdir())):
        return ""
    return "the run mixes scores and was not made from caches: folds cannot be checked from scores"


def _plan_entry(recipe: Recipe) -> Mapping[str, Any]:
    if recipe.plan is None:
        raise UsageError("the recipe holds no plan, and the run has heads or caches: whoever trained them recorded one")
    return recipe.plan


def _contradiction(recipe: Recipe, plan: Mapping[str, Any], locations: Sequence[CacheLocation]) -> str:
    """Say where the plan contradicts what else the recipe tells; empty where nothing does."""
    protocol = str(plan.get("protocol"))
    if file := fold_file_of(protocol):
        protocol = fold_file_name(file, str(plan.get("protocol_sha256")))
    select = "nested" if not file and _always_nested(protocol) else plan.get("select")
    for name, planned in (("protocol", protocol), ("select", select), ("seeds", plan.get("seeds"))):
        value = getattr(recipe, name)
        # What speakers are unknown is seen when the clips are read, not by the plan.
        if (plain_protocol(value) if name == "protocol" else value) != planned:
            return f"the recipe says {name} = {value!r}, and its plan {planned!r}"
    paths = [*plan["caches"], *plan.get("train_views", []), *(path for join in plan.get("joins", []) for path in join)]
    recorded = {location.recorded for location in locations}
    if unrecorded := [path for path in paths if Path(path) not in recorded]:
        return f"the plan reads {unrecorded[0]}, and the recipe does not record what was in it"
    return ""


def _told_otherwise(recipe: Recipe, prepared: PreparedPlan) -> str:
    """Say what the recipe tells of a system otherwise than its caches; empty where nothing is."""
    for told, system in zip(recipe.record.get("caches", ()), prepared.systems, strict=False):
        found = json.loads(json.dumps(system.about()))
        for name in told:
            if not _agree({name: told[name]}, found):
                return (
                    f"what the recipe says of {system.stream} / {system.features} ({name}) is not what the cache says"
                )
    return ""


def _agree(told: Any, found: Any) -> bool:
    """Compare what both say, as versions record more and less; places may change where a cache is moved or pulled."""
    if isinstance(told, Mapping) and isinstance(found, Mapping):
        return all(_agree(told[name], found[name]) for name in told.keys() & found.keys() - _PLACES)
    if isinstance(told, list) and isinstance(found, list):
        return len(told) == len(found) and all(map(_agree, told, found))
    return bool(told == found)


def _always_nested(protocol: str) -> bool:
    try:
        return get_protocol(protocol).always_nested
    except UsageError:  # of two corpora, or none: preparing the plan tells
        return False


def _unusable(locations: Sequence[CacheLocation]) -> str:
    if changed := [location for location in locations if location.line.verdict == "edited"]:
        return f"the cache {changed[0].path} is not what the recipe says of it"
    if gone := [location for location in locations if location.path is None]:
        return f"the cache {gone[0].recorded} is not there any more"
    return ""


def _read_predictions(path: Path) -> tuple[Predictions | None, str]:
    if not path.is_file():
        return None, f"{path} is missing"
    try:
        return Predictions.read(path), ""
    except PredictionsError as error:
        return None, str(error)
