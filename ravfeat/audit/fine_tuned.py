"""Rows of a run that fine-tuned its encoder, held against the folds that its recipe counted.

Such a run read clips and no cache, so that its folds cannot be made again; whose clips stood on which side is recorded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.predictions import Predictions, System
from ravfeat.runs.recipe import FoldSide

__all__ = ["check_recorded_folds"]

_CHECK = "predictions follow the folds"


def check_recorded_folds(context: RunContext) -> list[Line]:
    """Compare actors, clips and labels of every side; nothing is tried where the recipe counts no folds."""
    tuning = context.recipe.fine_tuned
    if context.predictions is None or tuning is None or context.plan_fault:
        return [not_possible(_CHECK, "", context.reason or context.refusal)]
    if not tuning.folds:
        return [edited(_CHECK, "", "the recipe tells of a fine-tuning and counts none of its folds")]
    tuned = System(tuning.stream, tuning.features, tuning.head)
    sides = {(entry["fold"], str(entry["split"])): _side(entry) for entry in tuning.folds}
    if foreign := [system for system in context.predictions.systems() if system != tuned]:
        return [leak(_CHECK, str(foreign[0]), f"the run fine-tuned {tuned} and nothing else: this came from elsewhere")]
    faults = [*_shared(sides), *_other_rows(context.predictions, sides)]
    if faults:
        return [leak(_CHECK, str(tuned), f"{faults[0]}{f' ({len(faults)} such sides)' if faults[1:] else ''}")]
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


def _side(entry: FoldSide) -> Side:
    return frozenset(entry["actors"]), {label: n for label, n in entry["labels"].items() if n}


def _shared(sides: Mapping[tuple[int, str], Side]) -> Iterator[str]:
    for (fold, split), (actors, _) in sides.items():
        if split != "train" and (shared := actors & sides.get((fold, "train"), (frozenset(), {}))[0]):
            yield f"actor {sorted(shared)[0]} is in train and in {split} of fold {fold}, says the recipe"


def _other_rows(predictions: Predictions, sides: Mapping[tuple[int, str], Side]) -> Iterator[str]:
    columns = ["fold", "split", "clip_id", "actor", "label"]
    stored: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for row in predictions.table.select(columns).group_by(columns).aggregate([]).to_pylist():
        stored.setdefault((row["fold"], row["split"]), []).append((row["actor"], row["label"]))
    # Train rows are not stored: of them only the recipe's own count can be looked at, in `_shared`.
    expected = {key: side for key, side in sides.items() if key[1] != "train"}
    for fold, split in sorted(stored.keys() | expected.keys()):
        rows = stored.get((fold, split), [])
        side = frozenset(actor for actor, _ in rows), dict(Counter(label for _, label in rows))
        if side != expected.get((fold, split)):
            yield f"{split} of fold {fold} holds other actors, clips or labels than the recipe counted there"
