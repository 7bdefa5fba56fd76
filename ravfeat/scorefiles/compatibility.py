"""Whether score files and runs belong together."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.errors import LeakError, PredictionsError, UsageError
from ravfeat.media.augment import CLEAN
from ravfeat.predictions import CROSSFIT, System
from ravfeat.schema import NORMALISED
from ravfeat.scorefiles.inputs import Part, Run, sides_of
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


def check_leaks(given: Sequence[ScoreFile | Run], *, allow_leak: bool) -> None:
    """Refuse scores of actors who sit on two sides, unless somebody allowed that.

    Raises
    ------
    LeakError
        Naming an actor and where.
    """
    for one in given:
        leak = _leak(one)
        if leak and not allow_leak:
            raise LeakError(
                f"{one.path} puts actors on both sides: {leak}, so its scores say how well a model knows these actors."
                " Add --allow-leak to fuse it as a control; every output will say LEAKY"
            )


def _leak(one: ScoreFile | Run) -> str:
    if isinstance(one, ScoreFile):
        return one.sides.leak
    table = one.predictions
    by_design = f"protocol '{table.protocol}' does so by design" if table.leaky else ""
    return sides_of(table).leak or by_design


def check_alike(first: Part, other: Part) -> None:
    """Refuse two parts that cannot stand in one table.

    Raises
    ------
    PredictionsError
        Naming both and what is different.
    """
    one, two = first.predictions, other.predictions
    if CROSSFIT in (selects := (one.select, two.select)) and one.select != two.select:
        has, lacks = (first, other) if selects[1] == CROSSFIT else (other, first)
        raise PredictionsError(
            f"{has.path} has val rows and {lacks.path} has none; give every system its val rows, or leave them out"
            " everywhere: then each fold learns from the others' test rows"
        )
    for what in ("classes", "protocol", "leaky", "select", "synthetic"):
        mine, theirs = getattr(one, what), getattr(two, what)
        if mine != theirs:
            where = _apart(first, other) if what == "protocol" else ""
            raise different(first.path, other.path, what, _said(mine), _said(theirs), where)


def different(first: Path, other: Path, what: str, mine: str, theirs: str, where: str = "") -> PredictionsError:
    """Make the error that two files differ; `where` says more, from a new line on."""
    return PredictionsError(
        f"{first} and {other} cannot be fused, they differ in {what}:\n  {first}: {mine}\n  {other}: {theirs}{where}\n"
        "score both with the same classes, folds and selection"
    )


def _said(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _apart(first: Part, other: Part) -> str:
    """Say which fold first tests other actors in two tables."""
    mine, theirs = sides_of(first.predictions).test, sides_of(other.predictions).test
    for fold in sorted({*mine, *theirs}):
        here, there = (sorted(side.get(fold, ())) for side in (mine, theirs))
        if here != there:
            return f"\n  fold {fold} tests {_some(here)} in the first and {_some(there)} in the second"
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
    """Refuse to mix features that were standardised by their own corpus with features that were not.

    Raises
    ------
    PredictionsError
        Naming one of each.
    """
    found = [(part, system) for part in parts for system in part.systems()]
    normalised = [one for one in found if one[1].features.endswith(NORMALISED)]
    plain = [one for one in found if not one[1].features.endswith(NORMALISED)]
    if normalised and plain:
        (part, system), (other, alone) = normalised[0], plain[0]
        raise PredictionsError(
            f"{part.path} holds {system}, which is TRANSDUCTIVE, and {other.path} holds {alone}, which is not; they are"
            " never mixed: make runs with --normalise none or --normalise corpus, and fuse those of one kind"
        )


def _one_name(first: Part, other: Part, system: System) -> str:
    said = f"{first.path} and {other.path} both hold the system {system}"
    taught = {part.path: trained for part in (first, other) if (trained := _trained_on(part, system)) != CLEAN}
    if not taught:
        return f"{said}; leave one of them out, or give one of them other features or another head"
    path, trained = next(iter(taught.items()))
    return (
        f"{said}; that of {path} was trained on views ({trained}), which a name does not tell: leave one of them out."
        " 'ravfeat report' puts both beside each other"
    )


def _trained_on(part: Part, system: System) -> str:
    entries = [one for one in part.recipe.get("caches", []) if isinstance(one, dict)]
    own = [one for one in entries if (one.get("stream"), one.get("features")) == system[:2]]
    return next((str(one["trained_on"]) for one in own if one.get("trained_on")), CLEAN)
