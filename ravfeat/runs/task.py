"""What a number is about: how many classes, chance, clips that were tested, and what was replaced, merged or dropped.

A score says nothing without these: two classes are easier than eight, and so are the clips that are left when the hard
ones are gone. Terminal, report and cards say it with the functions here.
"""

from collections.abc import Iterator, Mapping

from ravfeat.escape import printable
from ravfeat.runs.recipe import CorpusTransfer, Recipe, SystemInputs

__all__ = ["chance_said", "changes", "clips_said"]


def chance_said(n_classes: int) -> str:
    """Say how many classes there are, and the UAR of guessing: one over their number.

    Examples
    --------
    >>> chance_said(8)
    '8 classes, chance 0.125'
    """
    return f"{n_classes} classes, chance {1 / n_classes:.3f}"


def clips_said(recipe: Recipe, tested: int) -> str:
    """Say how many clips were tested, and of how many of the corpus where the recipe tells it.

    Parameters
    ----------
    recipe : Recipe
    tested : int
        Test clips of a system.
    """
    across = any(part.cross_corpus for part in recipe.with_fused())
    total = 0 if across else max(map(_total, recipe.inputs()), default=0)
    return f"{tested} of {max(total, tested)} clips tested" if total else f"{tested} clips tested"


def changes(recipe: Recipe) -> tuple[str, ...]:
    """Say what makes the task another one than the corpus's: labels, classes and clips; empty where nothing does."""
    found = [text for part in recipe.with_fused() for text in _changes(part)]
    return tuple(printable(text) for text in dict.fromkeys(found))


def _total(entry: SystemInputs) -> int:
    """Count the clips of the corpus that a system read, those that are not in its numbers included."""
    return entry.clips + len(entry.missing) + entry.left_out + sum(entry.narrowed.values()) if entry.clips else 0


def _changes(recipe: Recipe) -> Iterator[str]:
    if labels := recipe.replaced_labels:
        yield f"labels of {labels.file}: {labels.relabelled} relabelled, {labels.left_out} left out"
    if narrowed := recipe.narrowed:
        if narrowed.label_map:
            yield f"classes merged or renamed by {narrowed.label_map}"
        yield from (
            f"{n} clips left out by {f'{what} {narrowed.where}' if what == '--where' else what}"
            for what, n in narrowed.left_out.items()
            if n
        )
    if recipe.cross_corpus is not None:
        yield from _mapped(recipe.cross_corpus)
    missing = {clip for entry in recipe.caches for clip in entry.missing} | {*recipe.missing, *recipe.missing_clips}
    if missing:
        yield f"{len(missing)} clips not stored"
    if (unlabelled := max((entry.left_out for entry in recipe.caches), default=0)) and not recipe.replaced_labels:
        yield f"{unlabelled} clips of no class left out"
    if (folds := recipe.tested_folds) and len(folds.folds) < folds.of:
        yield f"{len(folds.folds)} of {folds.of} folds tested"


def _mapped(transfer: CorpusTransfer) -> Iterator[str]:
    sides = {"train": transfer.train, "test": transfer.test}
    for side, corpus in sides.items():
        merged = _merged(transfer.labels.get(side, {}))
        if merged:
            yield f"classes of {corpus} merged: {'; '.join(merged)}"


def _merged(labels: Mapping[str, str]) -> list[str]:
    members: dict[str, list[str]] = {}
    for label, name in labels.items():
        members.setdefault(name, []).append(label)
    return [f"{name} is {' and '.join(labels)}" for name, labels in members.items() if len(labels) > 1]
