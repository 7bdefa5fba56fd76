"""The plan of a run that was trained on one corpus and tested on another, from what its recipe tells.

Offers
------
is_across, across_of.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from ravfeat.crosscorpus.run import CrossPlan
from ravfeat.errors import UsageError
from ravfeat.plans import FitPlan
from ravfeat.schema import Normalise

__all__ = ["across_of", "is_across"]

_ABOUT = "cross_corpus"


def is_across(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe tells of two corpora."""
    return _ABOUT in recipe


def across_of(recipe: Mapping[str, Any], plan: FitPlan, where: Callable[[Path], Path]) -> CrossPlan:
    """Make the plan that was recorded.

    Parameters
    ----------
    recipe : mapping
    plan : FitPlan
        What its ``plan`` gave.
    where : callable
        Says where a recorded path lies now.

    Raises
    ------
    UsageError
        Where the recipe does not name pairs of caches, or how they were normalised; where the label map is gone.
    """
    about = recipe[_ABOUT]
    normalise = about.get("normalise") if isinstance(about, Mapping) else None
    if normalise not in get_args(Normalise):
        raise UsageError(
            f"the recipe's {_ABOUT} has normalise = {normalise!r}, expected one of {', '.join(get_args(Normalise))}"
        )
    label_map = about.get("label_map")
    if not (label_map is None or (isinstance(label_map, str) and Path(label_map).is_file())):
        raise UsageError(f"the label map that the run was made with is not there any more; it lay at {label_map}")
    pairs = tuple(dict.fromkeys((where(train), where(test)) for train, test in _pairs(recipe.get("caches"))))
    return CrossPlan(pairs, plan, None if label_map is None else Path(label_map), normalise)


def _pairs(caches: object) -> Iterator[tuple[Path, Path]]:
    for one in caches if isinstance(caches, list) else [caches]:
        sides = [one.get(name) for name in ("train_cache", "test_cache")] if isinstance(one, Mapping) else [None, None]
        paths = [side.get("path") for side in sides if isinstance(side, Mapping)]
        if len(paths) < 2 or not all(isinstance(path, str) for path in paths):
            raise UsageError("the recipe does not name a cache that is trained on and one that is tested on")
        yield Path(paths[0]), Path(paths[1])
