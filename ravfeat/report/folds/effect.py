"""Whether the folds share an effect: a sentence, and a table of every system's analysis of variance."""

from collections.abc import Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.page.cells import IDENTITY, identity, p_value, table_row
from ravfeat.report.page.document import Column, Table
from ravfeat.stats import FoldEffect, fold_effect
from ravfeat.stats.fold_effect import FEWEST_FOLDS, STRONG

__all__ = ["effect_table", "effect_words"]


def effect_words(graded: Sequence[Graded]) -> tuple[str, ...]:
    """Say what the systems' analyses come to; nothing where all runs are LEAKY."""
    if all(entry.leaky for entry in graded):
        return ()
    found = _analysed(graded)
    if not found:
        return (f"Whether folds share an effect cannot be told: it takes {FEWEST_FOLDS} folds of two actors or more.",)
    entry, least = min(found, key=lambda pair: pair[1].p)
    strong = least.p <= STRONG / len(found)
    several = f"the smallest p of {len(found)} systems, " if len(found) > 1 else ""
    meaning = (
        "The folds share an effect: intervals over actors are too narrow."
        if strong
        else "No strong effect of folds is seen; a weak one could not be, among so few folds."
    )
    return (f"Analysis of variance of the actors' UAR on folds, {several}{entry.system}: {least.said}. {meaning}",)


def effect_table(graded: Sequence[Graded]) -> tuple[Table, ...]:
    """F, p and intraclass correlation of every system whose folds can tell."""
    found = _analysed(graded)
    columns = (*IDENTITY, *(Column(title, numeric=True, short=True) for title in ("Folds", "Actors", "F", "p", "ICC")))
    rows = tuple(table_row(entry, (*identity(entry), *_cells(effect))) for entry, effect in found)
    caption = (
        "One-way analysis of variance of the actors' UAR (mean recall) on folds that test two actors or more. p: how"
        " often F is as large where folds share nothing, of each system by itself; ICC: the share of the variance that"
        " the actors of a fold have in common."
    )
    return (Table(caption, columns, rows, folded="Do folds share an effect?", cards=True),) if rows else ()


def _analysed(graded: Sequence[Graded]) -> list[tuple[Graded, FoldEffect]]:
    effects = ((entry, fold_effect(entry.probs)) for entry in graded if entry.role != "alternative")
    return [(entry, effect) for entry, effect in effects if effect is not None]


def _cells(effect: FoldEffect) -> tuple[str, ...]:
    counts = str(effect.n_folds), str(effect.n_actors)
    return (*counts, f"{effect.f:.2f}", p_value(effect.p), f"{effect.icc:+.2f}")
