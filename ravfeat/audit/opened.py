"""A run as far as it can be opened: recipe, predictions, caches, and its plan made ready once more.

Offers
------
Opened, open_run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.audit.places import Place, find_places
from ravfeat.errors import LeakError, PredictionsError, RavfeatError
from ravfeat.experiment import Prepared, prepare
from ravfeat.plan_record import plan_of
from ravfeat.predictions import Predictions, System

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
    prepared : Prepared or None
        Its plan on these caches; None where `why` says so.
    why : str
    leaking : str
        Why the folds do not hold any more; empty where they do.
    """

    path: Path
    recipe: Mapping[str, Any]
    predictions: Predictions | None
    refused: str
    places: tuple[Place, ...]
    prepared: Prepared | None
    why: str = ""
    leaking: str = ""

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
    if why := _why_not(recipe, places):
        return replace(opened, why=why)
    now = {place.recorded: place.now for place in places if place.now is not None}
    try:
        plan = plan_of(recipe["plan"], where=lambda one: now.get(one, one))
        return replace(opened, prepared=prepare(replace(plan, device=device)))
    except LeakError as error:
        return replace(opened, why=f"the folds leak: {error}", leaking=str(error))
    except RavfeatError as error:
        return replace(opened, why=str(error))
    except FileNotFoundError as error:
        return replace(opened, why=f"{error.filename} is not there any more")


def _why_not(recipe: Mapping[str, Any], places: Sequence[Place]) -> str:
    if "plan" not in recipe and not places:
        return "the run was not made from caches"
    if "plan" not in recipe:
        return "the recipe holds no plan (made by another command, or an older ravfeat)"
    if broken := [place for place in places if place.line.verdict == "edited"]:
        return f"the cache {broken[0].now} was changed since the run was made"
    if gone := [place for place in places if place.now is None]:
        return f"the cache {gone[0].recorded} is not there any more"
    return ""


def _recipe(path: Path) -> Mapping[str, Any]:
    place = path / "recipe.json"
    if not place.is_file():
        raise PredictionsError(f"{path} is not a run: it has no recipe.json; give the folder that --out named")
    try:
        recipe = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionsError(f"{place} is not valid JSON: {error}") from error
    if not isinstance(recipe, Mapping):
        raise PredictionsError(f"{place} must hold a JSON object, got {type(recipe).__name__}")
    return recipe


def _predictions(path: Path) -> tuple[Predictions | None, str]:
    if not path.is_file():
        return None, f"{path} is missing"
    try:
        return Predictions.read(path), ""
    except PredictionsError as error:
        return None, str(error)
