"""A run as far as it can be opened: recipe, predictions, caches, and its plan made ready once more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.audit.cache_paths import Place, find_places
from ravfeat.audit.cross_corpus import across_of, is_across
from ravfeat.crosscorpus.run import prepare_across
from ravfeat.errors import LeakError, PredictionsError, RavfeatError, UsageError
from ravfeat.experiment.fit import PreparedPlan, prepare
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.plan_file import plan_of
from ravfeat.predictions import Predictions, System
from ravfeat.protocols.named import get_protocol
from ravfeat.runs.read import read_json

__all__ = ["Opened", "open_run"]


@dataclass(frozen=True)
class Opened:
    """A run.

    Attributes
    ----------
    path : Path
    recipe : mapping
    predictions : Predictions or None
        None where ``predictions.parquet`` is refused; `refused` says why.
    refused : str
    places : tuple of Place
        The caches that it was made from.
    prepared : PreparedPlan or None
        Its plan on these caches; None where `why` says so.
    why : str
    leaking : str
        Why the folds do not hold any more; empty where they do.
    odd : str
        Why the recorded plan cannot be the one that the run was made by; empty where it can.
    """

    path: Path
    recipe: Mapping[str, Any]
    predictions: Predictions | None
    refused: str
    places: tuple[Place, ...]
    prepared: PreparedPlan | None
    why: str = ""
    leaking: str = ""
    odd: str = ""

    def systems(self) -> list[System]:
        """Give the systems that predictions were read of."""
        return [] if self.predictions is None else self.predictions.systems()


def open_run(path: Path, caches: Sequence[Path] = (), *, device: str = "cpu", without_caches: bool = False) -> Opened:
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

    Raises
    ------
    PredictionsError
        Where there is no run, or its recipe cannot be read.
    CacheError
        Where a cache is gone; see `find_places`.
    """
    recipe = _recipe(path)
    predictions, refused = _predictions(path / "predictions.parquet")
    places = find_places(recipe, caches, without=without_caches)
    opened = Opened(path, recipe, predictions, refused, places, None)
    if why := _untrained(path, recipe):
        return replace(opened, why=why)
    now = {place.recorded: place.now for place in places if place.now is not None}

    def where(one: Path) -> Path:
        return now.get(one, one)

    try:
        plan = plan_of(_plan(recipe), where=where)
    except RavfeatError as error:
        return replace(opened, why=str(error), odd=str(error))
    opened = replace(opened, odd=_disagreement(recipe, places))
    if why := _why_not(places):
        return replace(opened, why=why)
    return _prepared(opened, replace(plan, device=device), where)


def _prepared(opened: Opened, plan: FitPlan, where: Callable[[Path], Path]) -> Opened:
    """Make the plan ready; caches that are what they were and a plan that is the run's cannot be refused."""
    try:
        if is_across(opened.recipe):
            return replace(opened, prepared=prepare_across(across_of(opened.recipe, plan, where)))
        return replace(opened, prepared=prepare(plan))
    except LeakError as error:
        return replace(opened, why=f"the folds leak: {error}", leaking=str(error))
    except RavfeatError as error:
        odd = f"the recorded plan cannot be made ready again: {error}"
    except OSError as error:
        odd = f"{error.filename} is not there any more"
    except (TypeError, ValueError) as error:  # settings of another kind than the heads have
        odd = f"the recorded plan holds what no head takes: {error}"
    return replace(opened, why=odd, odd=odd)


def _untrained(path: Path, recipe: Mapping[str, Any]) -> str:
    """Say why a run needs no plan; empty where it trained heads on caches."""
    if "plan" in recipe or is_across(recipe):
        return ""
    if isinstance(recipe.get("fine_tuned"), Mapping) and not recipe.get("caches"):
        return "the run fine-tuned its encoder on the clips themselves, and read no cache of features"
    heads = path / "heads"
    if recipe.get("caches") or recipe.get("chosen") or (heads.is_dir() and any(heads.iterdir())):
        return ""
    return "the run mixes scores and was not made from caches: folds cannot be checked from scores"


def _plan(recipe: Mapping[str, Any]) -> Any:
    if "plan" not in recipe:
        raise UsageError("the recipe holds no plan, and the run has heads or caches: whoever trained them recorded one")
    return recipe["plan"]


def _disagreement(recipe: Mapping[str, Any], places: Sequence[Place]) -> str:
    """Say where the plan contradicts what else the recipe tells; empty where nothing does."""
    plan = recipe["plan"]
    select = "nested" if _always_nested(str(plan.get("protocol"))) else plan.get("select")
    for name, said in (("protocol", plan.get("protocol")), ("select", select), ("seeds", plan.get("seeds"))):
        if recipe.get(name) != said:
            return f"the recipe says {name} = {recipe.get(name)!r}, and its plan {said!r}"
    read = [*plan["caches"], *plan.get("train_views", []), *(one for join in plan.get("joins", []) for one in join)]
    recorded = {place.recorded for place in places}
    if unknown := [one for one in read if Path(one) not in recorded]:
        return f"the plan reads {unknown[0]}, and the recipe does not record what was in it"
    return ""


def _always_nested(protocol: str) -> bool:
    try:
        return get_protocol(protocol).always_nested
    except UsageError:  # of two corpora, or none: preparing the plan tells
        return False


def _why_not(places: Sequence[Place]) -> str:
    if broken := [place for place in places if place.line.verdict == "edited"]:
        return f"the cache {broken[0].now} was changed since the run was made"
    if gone := [place for place in places if place.now is None]:
        return f"the cache {gone[0].recorded} is not there any more"
    return ""


def _recipe(path: Path) -> Mapping[str, Any]:
    place = path / "recipe.json"
    if not place.is_file():
        raise PredictionsError(f"{path} is not a run: it has no recipe.json; give the folder that --out named")
    recipe: Mapping[str, Any] = read_json(place, dict)
    return recipe


def _predictions(path: Path) -> tuple[Predictions | None, str]:
    if not path.is_file():
        return None, f"{path} is missing"
    try:
        return Predictions.read(path), ""
    except PredictionsError as error:
        return None, str(error)
