"""Systems against each other on the same performances, in families that are read together.

A family's p-values are corrected together (Holm), metric by metric, so a reader who looks at all of its
rows is not fooled by the smallest of many.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ravfeat.errors import PredictionsError
from ravfeat.report.graded import Graded
from ravfeat.stats import Difference, Pairing, holm

__all__ = ["COMPARED", "Contrast", "Family", "all_pairs", "gains", "groups"]

COMPARED: tuple[str, ...] = ("uar", "wa", "macro_f1", "nll", "brier", "ece")

_MOST_PAIRS = 150
_NAMED = 4


@dataclass(frozen=True)
class Contrast:
    """System `a` minus system `b`.

    Attributes
    ----------
    found : mapping of metric to Difference
        Pooled, for every metric of `COMPARED`.
    corrected : mapping of metric to float
        p-value, corrected for the other rows of the family.
    """

    a: Graded
    b: Graded
    found: Mapping[str, Difference]
    corrected: Mapping[str, float | None]


@dataclass(frozen=True)
class Family:
    """Contrasts that are read together.

    Attributes
    ----------
    contrasts : tuple of Contrast
    notes : tuple of str
        Sentences about pairs that are not among them, and why.
    """

    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...] = ()


def groups(graded: Sequence[Graded]) -> list[list[Graded]]:
    """Give systems that a table may set side by side: of one protocol over all runs; of a LEAKY one, of one run."""
    found: dict[tuple[str, str], list[Graded]] = {}
    for entry in graded:
        found.setdefault((entry.protocol, entry.run.name if entry.leaky else ""), []).append(entry)
    return list(found.values())


def gains(fused: Graded, group: Sequence[Graded]) -> Family:
    """Compare a fused system with every other one of its run, and with single and fused ones of the group's others."""
    others = [entry for entry in group if entry is not fused and _meets(fused, entry)]
    kept, notes = _distinct([fused, *others])
    return _family([(fused, entry) for entry in kept[1:]], group, notes)


def all_pairs(group: Sequence[Graded]) -> Family:
    """Compare every two systems of a group; of very many, those of different runs only where they are alike."""
    kept, notes = _distinct(group)
    pairs = [(a, b) for a, b in combinations(kept, 2) if _meets(a, b)]
    if len(pairs) > _MOST_PAIRS:
        near = [(a, b) for a, b in pairs if a.run is b.run or a.system == b.system or a.role == b.role == "fused"]
        if len(near) < len(pairs):
            notes.append(
                f"Of {len(pairs)} pairs, those of different runs are left out unless both are fused or have one name."
            )
        pairs = near
    return _family(pairs, group, notes)


def _meets(a: Graded, b: Graded) -> bool:
    """Mixtures that were not chosen are compared within their run only."""
    return a.run is b.run or "alternative" not in (a.role, b.role)


def _distinct(entries: Sequence[Graded]) -> tuple[list[Graded], list[str]]:
    """Leave out systems that say the very same as one before them: there is nothing to compare."""
    kept: list[Graded] = []
    notes = []
    for entry in entries:
        twin = next((one for one in kept if _same(one, entry)), None)
        if twin is None:
            kept.append(entry)
        elif twin.run is entry.run and entry.members:
            notes.append(
                f"Clip by clip, {twin.system.stream} is {entry.system.stream} here, so there is no row for that."
            )
        else:
            notes.append(
                f"{entry.system} is the same in the runs {twin.run.name} and {entry.run.name}, and stands here once."
            )
    return kept, notes


def _family(pairs: Sequence[tuple[Graded, Graded]], group: Sequence[Graded], notes: Sequence[str]) -> Family:
    sets, problems = _clip_sets(group)
    number = {id(entry): k for k, own in enumerate(sets) for entry in own}
    comparable = [(a, b) for a, b in pairs if id(a) in number and number[id(a)] == number.get(id(b))]
    found = []
    for a, b in comparable:
        pairing = Pairing(a.compared, b.compared)
        found.append({metric: pairing.difference(metric, "pooled") for metric in COMPARED})
    corrected = {metric: _corrected([one[metric] for one in found]) for metric in COMPARED}
    contrasts = tuple(
        Contrast(a, b, one, {metric: corrected[metric][row] for metric in COMPARED})
        for row, ((a, b), one) in enumerate(zip(comparable, found, strict=True))
    )
    apart = [_apart_note(sets)] if len(comparable) < len(pairs) and len(sets) > 1 else []
    return Family(contrasts, (*notes, *apart, *problems))


def _corrected(found: Sequence[Difference]) -> Sequence[float | None]:
    """Correct the p-values of one metric; ECE has none."""
    tested = [one.p for one in found if one.p is not None]
    return holm(tested) if len(tested) == len(found) else [None] * len(found)


def _clip_sets(group: Iterable[Graded]) -> tuple[list[list[Graded]], list[str]]:
    """Part systems by the performances that they test; and say who cannot be compared with anybody."""
    sets: list[list[Graded]] = []
    problems = []
    for entry in group:
        try:
            facts = entry.compared.facts
        except PredictionsError as error:
            problems.append(f"{entry.system}: {error}.")
            continue
        own = next((one for one in sets if one[0].compared.facts == facts), None)
        if own is None:
            sets.append([entry])
        else:
            own.append(entry)
    return sets, problems


def _apart_note(sets: Sequence[Sequence[Graded]]) -> str:
    parts = []
    for own in sets:
        names = [f"{entry.system} (run {entry.run.name})" for entry in own]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{', '.join(names[:_NAMED])}{more}: n = {len(own[0].probs)}")
    return (
        "A difference needs the same performances on both sides, and these systems test different ones, so pairs of"
        f" them are missing here. {'; '.join(parts)}."
    )


def _same(a: Graded, b: Graded) -> bool:
    """Whether two systems say the very same of the very same clips."""
    one, other = a.probs, b.probs
    return (
        one.clip_ids.tolist() == other.clip_ids.tolist()
        and np.array_equal(one.log_probs, other.log_probs)
        and np.array_equal(one.uncalibrated, other.uncalibrated)
    )
