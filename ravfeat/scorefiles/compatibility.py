"""Check that score files and runs can be fused: classes, folds, selection, leaks, names."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.errors import LeakError, PredictionsError, UsageError
from ravfeat.media.augment import CLEAN
from ravfeat.predictions import CROSSFIT, System
from ravfeat.schema import transductive_suffix
from ravfeat.scorefiles.inputs import Part, RunScores, fold_actors_of
from ravfeat.scorefiles.read import ScoreFile

__all__ = ["check_alike", "check_apart", "check_leaks", "check_normalised", "check_systems", "different"]

_NAMED = 4


def check_apart(out: Path, scores: Sequence[Path]) -> None:
    """Refuse to write over what is fused.

    Raises
    ------
    UsageError
    """
    for path in scores:
        if path.resolve().is_relative_to(out.resolve()):
            raise UsageError(f"--out {out} would replace {path}, which is fused; choose another --out")


def check_leaks(inputs: Sequence[ScoreFile | RunScores], *, allow_leak: bool) -> None:
    """Refuse scores of actors who sit on two sides, unless somebody allowed that.

    Raises
    ------
    LeakError
        Naming an actor and where.
    """
    for scores in inputs:
        leak = _leak(scores)
        if leak and not allow_leak:
            raise LeakError(
                f"{scores.path} puts actors on both sides: {leak}, so its scores say how well a model knows these"
                " actors. Add --allow-leak to fuse it as a control; every output will say LEAKY"
            )


def _leak(scores: ScoreFile | RunScores) -> str:
    if isinstance(scores, ScoreFile):
        return scores.sides.leak
    table = scores.predictions
    by_design = f"protocol '{table.protocol}' does so by design" if table.leaky else ""
    return fold_actors_of(table).leak or by_design


def check_alike(first: Part, other: Part) -> None:
    """Refuse two parts that cannot stand in one table.

    Raises
    ------
    PredictionsError
        Naming both and what is different.
    """
    table, other_table = first.predictions, other.predictions
    if CROSSFIT in (selects := (table.select, other_table.select)) and table.select != other_table.select:
        has, lacks = (first, other) if selects[1] == CROSSFIT else (other, first)
        raise PredictionsError(
            f"{has.path} has val rows and {lacks.path} has none; give every system its val rows, or leave them out"
            " everywhere: then each fold learns from the others' test rows"
        )
    for fact in ("classes", "protocol", "leaky", "select", "synthetic"):
        value, other_value = getattr(table, fact), getattr(other_table, fact)
        if value != other_value:
            where = _apart(first, other) if fact == "protocol" else ""
            raise different(first.path, other.path, fact, _said(value), _said(other_value), where)


def different(first: Path, other: Path, fact: str, value: str, other_value: str, where: str = "") -> PredictionsError:
    """Make the error that two files differ; `where` says more, from a new line on."""
    return PredictionsError(
        f"{first} and {other} cannot be fused, they differ in {fact}:\n  {first}: {value}\n  {other}:"
        f" {other_value}{where}\nscore both with the same classes, folds and selection"
    )


def _said(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _apart(first: Part, other: Part) -> str:
    """Say which fold first tests other actors in two tables."""
    tested, tested_by_other = fold_actors_of(first.predictions).test, fold_actors_of(other.predictions).test
    for fold in sorted({*tested, *tested_by_other}):
        actors, other_actors = (sorted(side.get(fold, ())) for side in (tested, tested_by_other))
        if actors != other_actors:
            return f"\n  fold {fold} tests {_some(actors)} in the first and {_some(other_actors)} in the second"
    return ""


def _some(actors: Sequence[str]) -> str:
    more = f" and {len(actors) - _NAMED} more" if len(actors) > _NAMED else ""
    return f"{', '.join(actors[:_NAMED])}{more}" or "nobody"


def check_systems(parts: Sequence[Part]) -> None:
    """Refuse a system that two parts hold, and fewer than two systems.

    Raises
    ------
    PredictionsError, UsageError
    """
    seen: dict[System, Part] = {}
    for part in parts:
        for system in part.systems():
            if (first := seen.setdefault(system, part)) is not part:
                raise PredictionsError(_one_name(first, part, system))
    if len(seen) < 2:
        raise UsageError(
            f"fusing needs at least two systems, got {', '.join(map(str, seen)) or 'none'}; name another score file or"
            " run with --scores"
        )


def check_normalised(parts: Sequence[Part]) -> None:
    """Refuse to mix features that were standardised by their own corpus or actor with features that were not.

    Raises
    ------
    PredictionsError
        Naming one of each.
    """
    systems = [(part, system) for part in parts for system in part.systems()]
    kinds = {transductive_suffix(system.features): (part, system) for part, system in reversed(systems)}
    if len(kinds) > 1:
        suffix = max(kinds)
        (part, system), (other, alone) = kinds[suffix], kinds[min(kinds)]
        beside = f"which is {min(kinds)}" if min(kinds) else "which is not"
        raise PredictionsError(
            f"{part.path} holds {system}, which is TRANSDUCTIVE, and {other.path} holds {alone}, {beside}; they are"
            " never mixed: make runs of one --normalise, and fuse those"
        )


def _one_name(first: Part, other: Part, system: System) -> str:
    problem = f"{first.path} and {other.path} both hold the system {system}"
    with_views = {part.path: trained for part in (first, other) if (trained := _trained_on(part, system)) != CLEAN}
    if not with_views:
        return f"{problem}; leave one of them out, or give one of them other features or another head"
    path, trained = next(iter(with_views.items()))
    return (
        f"{problem}; that of {path} was trained on views ({trained}), which a name does not tell: leave one of them"
        " out. 'ravfeat report' puts both beside each other"
    )


def _trained_on(part: Part, system: System) -> str:
    entries = [entry for entry in part.recipe.caches if (entry.stream, entry.features) == system[:2]]
    return next((entry.trained_on for entry in entries if entry.trained_on), CLEAN)
