"""Paired differences between systems on the same performances, with p-values corrected in one family per run.

The corrected p-value (Holm) of two systems of one run counts every pair of the run, as ``differences.json`` does: the
page, the file and the printed lines of ``ravfeat fit-heads`` give one comparison one p-value. Pairs of systems of
different runs stand in no file; those on this page that share a protocol are one more family.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ravfeat.errors import PredictionsError
from ravfeat.report.graded import Graded
from ravfeat.stats import Difference, Pairing, family, holm

__all__ = ["COMPARED", "Contrast", "ContrastSet", "all_pairs", "gains", "groups"]

COMPARED: tuple[str, ...] = ("uar", "wa", "macro_f1", "nll", "brier", "ece")

_Pair = tuple[Graded, Graded]

_MOST_PAIRS = 150
_NAMED = 4


@dataclass(frozen=True)
class Contrast:
    """System `a` minus system `b`.

    Attributes
    ----------
    differences : mapping of metric to Difference
        Pooled, for every metric of `COMPARED`.
    corrected : mapping of metric to float or None
        p-value, corrected (Holm) for the other pairs of the family; None for ECE.
    family : str
        Which pairs the correction counts, as in "all 10 pairs of run a".
    """

    a: Graded
    b: Graded
    differences: Mapping[str, Difference]
    corrected: Mapping[str, float | None]
    family: str


@dataclass(frozen=True)
class ContrastSet:
    """Contrasts that stand in one table.

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
    by_protocol: dict[tuple[str, str], list[Graded]] = {}
    for entry in graded:
        by_protocol.setdefault((entry.protocol, entry.run.name if entry.leaky else ""), []).append(entry)
    return list(by_protocol.values())


def all_pairs(group: Sequence[Graded]) -> ContrastSet:
    """Compare every two systems of a group; of very many, those of different runs only where they are alike."""
    distinct, notes = _distinct(group)
    pairs = [(a, b) for a, b in combinations(distinct, 2) if _may_meet(a, b)]
    if len(pairs) > _MOST_PAIRS:
        near = [(a, b) for a, b in pairs if a.run is b.run or a.system == b.system or "fused" in (a.role, b.role)]
        if len(near) < len(pairs):
            notes.append(
                f"Of {len(pairs)} pairs, those of different runs are left out unless one is fused or both have one"
                " name."
            )
        pairs = near
    sets, problems = _clip_sets(group)
    number = {id(entry): k for k, members in enumerate(sets) for entry in members}
    shown = [pair for pair in pairs if _comparable(pair, number)]
    apart = [_apart_note(sets)] if len(shown) < len(pairs) and len(sets) > 1 else []
    contrasts: dict[tuple[int, int], Contrast] = {}
    for name, together in _families(group, shown, number).items():
        contrasts |= {(id(contrast.a), id(contrast.b)): contrast for contrast in _contrasts(together, name)}
    return ContrastSet(tuple(contrasts[id(a), id(b)] for a, b in shown), (*notes, *apart, *problems))


def gains(fused: Graded, pairs: ContrastSet) -> ContrastSet:
    """Pick from `all_pairs` of a group those of a fused system, which then comes first in each."""
    contrasts = [
        contrast if contrast.a is fused else _flipped(contrast)
        for contrast in pairs.contrasts
        if fused is contrast.a or fused is contrast.b
    ]
    return ContrastSet(tuple(contrasts), pairs.notes)


def _may_meet(a: Graded, b: Graded) -> bool:
    """Mixtures that were not chosen are compared within their run only."""
    return a.run is b.run or "alternative" not in (a.role, b.role)


def _distinct(entries: Sequence[Graded]) -> tuple[list[Graded], list[str]]:
    """Leave out systems that predict the very same as one before them: there is nothing to compare."""
    distinct: list[Graded] = []
    notes = []
    for entry in entries:
        twin = next((earlier for earlier in distinct if _same(earlier, entry)), None)
        if twin is None:
            distinct.append(entry)
        elif twin.run is entry.run and entry.members:
            notes.append(
                f"Clip by clip, {twin.system.stream} is {entry.system.stream} here, so there is no row for that."
            )
        else:
            notes.append(
                f"{entry.system} is the same in the runs {twin.run.name} and {entry.run.name}, and stands here once."
            )
    return distinct, notes


def _comparable(pair: _Pair, clip_set: Mapping[int, int]) -> bool:
    a, b = map(id, pair)
    return a in clip_set and clip_set[a] == clip_set.get(b)


def _families(group: Sequence[Graded], shown: Sequence[_Pair], clip_set: Mapping[int, int]) -> dict[str, list[_Pair]]:
    """Give the pairs that are corrected together: all of a run, be they shown or not; those shown of different runs."""
    families: dict[str, list[_Pair]] = {}
    for pair in combinations(group, 2):
        if pair[0].run is pair[1].run and _comparable(pair, clip_set):
            families.setdefault(f"run {pair[0].run.name}", []).append(pair)
    across = [(a, b) for a, b in shown if a.run is not b.run]
    return families | {"different runs": across}


def _contrasts(pairs: Sequence[_Pair], name: str) -> list[Contrast]:
    """Compare the pairs of a family, and correct their p-values for each other."""
    compared = []
    for a, b in pairs:
        pairing = Pairing(a.compared, b.compared)
        compared.append({metric: pairing.difference(metric, "pooled") for metric in COMPARED})
    corrected = {metric: _holm([differences[metric].p for differences in compared]) for metric in COMPARED}
    counted = family(len(pairs), name)
    return [
        Contrast(a, b, differences, {metric: corrected[metric][row] for metric in COMPARED}, counted)
        for row, ((a, b), differences) in enumerate(zip(pairs, compared, strict=True))
    ]


def _holm(p_values: Sequence[float | None]) -> Sequence[float | None]:
    """Correct the p-values of one metric; ECE has none."""
    tested = [p for p in p_values if p is not None]
    return holm(tested) if len(tested) == len(p_values) else [None] * len(p_values)


def _flipped(contrast: Contrast) -> Contrast:
    differences = {
        metric: replace(
            difference,
            value_a=difference.value_b,
            value_b=difference.value_a,
            value=difference.value_b - difference.value_a,
            ci_low=0.0 - difference.ci_high,  # not -x: zero would be written as -0.000
            ci_high=0.0 - difference.ci_low,
        )
        for metric, difference in contrast.differences.items()
    }
    return replace(contrast, a=contrast.b, b=contrast.a, differences=differences)


def _clip_sets(group: Iterable[Graded]) -> tuple[list[list[Graded]], list[str]]:
    """Part systems by the performances that they test; and name those that cannot be compared with any other."""
    sets: list[list[Graded]] = []
    problems = []
    for entry in group:
        try:
            facts = entry.compared.facts
        except PredictionsError as error:
            problems.append(f"{entry.system}: {error}.")
            continue
        alike = next((members for members in sets if members[0].compared.facts == facts), None)
        if alike is None:
            sets.append([entry])
        else:
            alike.append(entry)
    return sets, problems


def _apart_note(sets: Sequence[Sequence[Graded]]) -> str:
    parts = []
    for members in sets:
        names = [f"{entry.system} (run {entry.run.name})" for entry in members]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{', '.join(names[:_NAMED])}{more}: n = {len(members[0].probs)}")
    return (
        "A difference needs the same performances on both sides, and these systems test different ones, so pairs of"
        f" them are missing here. {'; '.join(parts)}."
    )


def _same(a: Graded, b: Graded) -> bool:
    """Whether two systems predict the very same of the very same clips."""
    return (
        a.probs.clip_ids.tolist() == b.probs.clip_ids.tolist()
        and np.array_equal(a.probs.log_probs, b.probs.log_probs)
        and np.array_equal(a.probs.uncalibrated, b.probs.uncalibrated)
    )
