"""Rows of a run that fine-tuned its encoder, held against the folds that its recipe counted.

Such a run read clips and no cache, so that its folds cannot be made again; whose clips stood on which side is recorded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ravfeat.audit.context import Opened
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.predictions import Predictions, System

__all__ = ["check_recorded_folds"]

_CHECK = "predictions follow the folds"


def check_recorded_folds(opened: Opened) -> list[Line]:
    """Compare actors, clips and labels of every side; nothing is tried where the recipe counts no folds."""
    about = opened.recipe.get("fine_tuned")
    if opened.predictions is None or not isinstance(about, Mapping) or opened.odd:
        return [not_possible(_CHECK, "", opened.why or opened.refused)]
    try:
        tuned = System(str(about["stream"]), str(about["features"]), str(about["head"]))
        sides = {(int(one["fold"]), str(one["split"])): _counted(one) for one in about["folds"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [edited(_CHECK, "", f"what the recipe says of the fine-tuning cannot be read: {error!r}")]
    if strange := [one for one in opened.predictions.systems() if one != tuned]:
        return [leak(_CHECK, str(strange[0]), f"the run fine-tuned {tuned} and nothing else: this came from elsewhere")]
    odd = [*_shared(sides), *_other_rows(opened.predictions, sides)]
    if odd:
        return [leak(_CHECK, str(tuned), f"{odd[0]}{f' ({len(odd)} such sides)' if odd[1:] else ''}")]
    return [
        pass_(
            _CHECK,
            str(tuned),
            f"actors, clips and labels of {len(sides)} sides are those that the recipe counted; the clips themselves"
            " were not looked at",
        )
    ]


Side = tuple[frozenset[str], dict[str, int]]
"""Actors, and clips of every label."""


def _counted(one: Mapping[str, Any]) -> Side:
    labels = {str(label): int(n) for label, n in one["labels"].items() if n}
    return frozenset(map(str, one["actors"])), labels


def _shared(sides: Mapping[tuple[int, str], Side]) -> Iterator[str]:
    for (fold, split), (actors, _) in sides.items():
        if split != "train" and (both := actors & sides.get((fold, "train"), (frozenset(), {}))[0]):
            yield f"actor {sorted(both)[0]} is in train and in {split} of fold {fold}, says the recipe"


def _other_rows(predictions: Predictions, sides: Mapping[tuple[int, str], Side]) -> Iterator[str]:
    columns = ["fold", "split", "clip_id", "actor", "label"]
    found: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for row in predictions.table.select(columns).group_by(columns).aggregate([]).to_pylist():
        found.setdefault((row["fold"], row["split"]), []).append((row["actor"], row["label"]))
    wanted = {key: side for key, side in sides.items() if key[1] != "train"}
    for fold, split in sorted(found.keys() | wanted.keys()):
        rows = found.get((fold, split), [])
        side = frozenset(actor for actor, _ in rows), dict(Counter(label for _, label in rows))
        if side != wanted.get((fold, split)):
            yield f"{split} of fold {fold} holds other actors, clips or labels than the recipe counted there"
