"""The plan of a run that was trained on one corpus and tested on another, read from its recipe."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

from ravfeat.crosscorpus.run import CrossPlan
from ravfeat.errors import UsageError
from ravfeat.experiment.plan import DataPlan, FitPlan, shared_options
from ravfeat.runs.recipe import CorpusTransfer, Recipe
from ravfeat.schema import Normalise

__all__ = ["cross_plan_of"]


def cross_plan_of(recipe: Recipe, plan: FitPlan, locate: Callable[[Path], Path]) -> CrossPlan:
    """Make the plan that was recorded.

    Parameters
    ----------
    recipe : Recipe
    plan : FitPlan
        What its ``plan`` gave.
    locate : callable
        Gives the path where a recorded cache lies now.

    Raises
    ------
    UsageError
        Where the recipe does not name pairs of caches, or how they were normalised; where the label map is gone.
    """
    transfer = recipe.cross_corpus or CorpusTransfer()
    if transfer.label_map is not None and not transfer.label_map.is_file():
        raise UsageError(
            f"the label map that the run was made with is not there any more; it lay at {transfer.label_map}"
        )
    pairs = tuple(dict.fromkeys((locate(train), locate(test)) for train, test in _pairs(recipe)))
    _check_unused(plan)
    options = shared_options(plan, CrossPlan) | {"label_map": transfer.label_map, "normalise": _normalise(transfer)}
    return CrossPlan(pairs, **options)


def _check_unused(plan: FitPlan) -> None:
    """Refuse a plan with data that a test on another corpus never reads."""
    taken = {option.name for option in fields(CrossPlan)} | {"caches"}
    unused = [option for option in fields(DataPlan) if option.name not in taken]
    if recorded := [option.name for option in unused if getattr(plan, option.name) != option.default]:
        raise UsageError(f"the recorded plan has {recorded[0]}, and a test on another corpus has no place for them")


def _normalise(transfer: CorpusTransfer) -> Normalise:
    choices: tuple[Normalise, ...] = get_args(Normalise)
    for choice in choices:
        if transfer.normalise == choice:
            return choice
    raise UsageError(
        f"the recipe's cross_corpus has normalise = {transfer.normalise!r}, expected one of {', '.join(choices)}"
    )


def _pairs(recipe: Recipe) -> Iterator[tuple[Path, Path]]:
    for entry in recipe.caches:
        for name, cache in (("train", entry.train_cache), ("test", entry.test_cache)):
            if cache is None:
                raise UsageError(f"the recipe does not say where the {name} cache of every system lay")
        train, test = entry.caches
        yield train.path, test.path
