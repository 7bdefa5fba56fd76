"""The plan of a run that was trained on one corpus and tested on another, read from its recipe."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from ravfeat.crosscorpus.run import CrossPlan
from ravfeat.errors import UsageError
from ravfeat.experiment.plan import DataPlan, FitPlan, shared_options
from ravfeat.schema import Normalise

__all__ = ["cross_plan_of", "is_cross_corpus"]

_ENTRY = "cross_corpus"


def is_cross_corpus(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe tells of two corpora."""
    return _ENTRY in recipe


def cross_plan_of(recipe: Mapping[str, Any], plan: FitPlan, locate: Callable[[Path], Path]) -> CrossPlan:
    """Make the plan that was recorded.

    Parameters
    ----------
    recipe : mapping
    plan : FitPlan
        What its ``plan`` gave.
    locate : callable
        Gives the path where a recorded cache lies now.

    Raises
    ------
    UsageError
        Where the recipe does not name pairs of caches, or how they were normalised; where the label map is gone.
    """
    entry = recipe[_ENTRY]
    if not isinstance(entry, Mapping):
        raise UsageError(f"the recipe's {_ENTRY} must be an object, got {entry!r}")
    label_map = entry.get("label_map")
    if not (label_map is None or (isinstance(label_map, str) and Path(label_map).is_file())):
        raise UsageError(f"the label map that the run was made with is not there any more; it lay at {label_map}")
    pairs = tuple(dict.fromkeys((locate(train), locate(test)) for train, test in _pairs(recipe.get("caches"))))
    _check_unused(plan)
    options = shared_options(plan, CrossPlan)
    return CrossPlan(
        pairs,
        label_map=None if label_map is None else Path(label_map),
        normalise=_normalise(entry),
        **options,
    )


def _check_unused(plan: FitPlan) -> None:
    """Refuse a plan with data that a test on another corpus never reads."""
    taken = {option.name for option in fields(CrossPlan)} | {"caches"}
    unused = [option for option in fields(DataPlan) if option.name not in taken]
    if recorded := [option.name for option in unused if getattr(plan, option.name) != option.default]:
        raise UsageError(f"the recorded plan has {recorded[0]}, and a test on another corpus has no place for them")


def _normalise(entry: Mapping[str, Any]) -> Normalise:
    choices: tuple[Normalise, ...] = get_args(Normalise)
    for choice in choices:
        if entry.get("normalise") == choice:
            return choice
    raise UsageError(
        f"the recipe's {_ENTRY} has normalise = {entry.get('normalise')!r}, expected one of {', '.join(choices)}"
    )


def _pairs(caches: object) -> Iterator[tuple[Path, Path]]:
    for entry in caches if isinstance(caches, list) else [caches]:
        train, test = (_path(entry, name) for name in ("train_cache", "test_cache"))
        yield train, test


def _path(entry: object, name: str) -> Path:
    side = entry.get(name) if isinstance(entry, Mapping) else None
    if not isinstance(side, Mapping) or not isinstance(side.get("path"), str):
        raise UsageError(f"the recipe does not say where the {name.replace('_', ' ')} of every system lay")
    return Path(side["path"])
