"""Scores under a condition: UAR and ECE with intervals, recall by class, and where one stream falls below another."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import pairwise

from ravfeat.media.augment import CLEAN
from ravfeat.media.conditions import Condition
from ravfeat.predictions import System, SystemProbs
from ravfeat.runs.stress_file import ClassRecall, Crossing, StressScore, Value, ladder
from ravfeat.stats import paired_difference, recalls, score_intervals

__all__ = ["crossings", "scores_of"]


def scores_of(
    changed: Mapping[System, SystemProbs],
    clean: Mapping[System, SystemProbs],
    condition: Condition | None,
    systems: Set[System],
) -> Iterator[StressScore]:
    """Score some systems on changed recordings, beside the same clips as they are."""
    for system in sorted(changed.keys() & systems):
        now, before = score_intervals(changed[system]), score_intervals(clean[system])
        recipe, title, unit, strength, clean_strength = _words(condition)
        yield StressScore(
            *system,
            recipe,
            title,
            unit,
            strength,
            clean_strength,
            len(changed[system]),
            Value.of(now["uar", "pooled"]),
            Value.of(now["ece", "pooled"]),
            before["uar", "pooled"].value,
            before["ece", "pooled"].value,
            Value.of(paired_difference(changed[system], clean[system])),
            tuple(ClassRecall(each.label, each.value, each.n) for each in recalls(changed[system])),
        )


def _words(condition: Condition | None) -> tuple[str, str, str, float | None, float | None]:
    if condition is None:
        return CLEAN, CLEAN, "", None, None
    about = condition.about
    clean = about.clean if about.bounds is not None and math.isfinite(about.clean) else None
    return condition.recipe, about.title, about.unit, condition.strength, clean


def crossings(scores: Sequence[StressScore]) -> Iterator[Crossing]:
    """Say where the best voice and the best face (of clean clips) change places, by linear interpolation.

    Point estimates only: within the intervals of both the order of two systems is open.
    """
    voice, face = (_best(scores, stream) for stream in ("audio", "face"))
    if voice is None or face is None:
        return
    for recipe in dict.fromkeys(score.recipe for score in scores):
        lines = [
            [score for score in scores if (score.system, score.recipe) == (system, recipe)] for system in (voice, face)
        ]
        if all(lines):
            yield from _of_recipe(*lines)


def _best(scores: Sequence[StressScore], stream: str) -> System | None:
    of_stream = [score for score in scores if score.stream == stream]
    return max(of_stream, key=lambda score: score.uar_clean).system if of_stream else None


def _of_recipe(voice: Sequence[StressScore], face: Sequence[StressScore]) -> Iterator[Crossing]:
    first = voice[0]
    names = (voice[0].system, face[0].system)
    steps = [(a.strength, a.score is None, a.uar - b.uar) for a, b in zip(ladder(voice), ladder(face), strict=True)]
    clean = next(place for place, (_, unchanged, _) in enumerate(steps) if unchanged)
    crossed = False
    # From the clean clips on, on both sides of them.
    for way in (steps[clean::-1], steps[clean:]):
        for (x, unchanged, gap), (x_next, _, gap_next) in pairwise(way):
            if (gap > 0) != (gap_next > 0):
                crossed = True
                lower, upper = names if gap > 0 else names[::-1]
                at, where = _place(first, x, x_next, gap / (gap - gap_next), unchanged=unchanged)
                yield Crossing(first.recipe, at, f"{first.title}: {lower} falls below {upper}{where}")
    if not crossed:
        upper, lower = names if steps[clean][2] > 0 else names[::-1]
        strengths = ", ".join(f"{score.strength:g}" for score in voice if score.strength is not None)
        at_all = f" at {strengths} {first.unit}" if strengths else ""
        yield Crossing(first.recipe, None, f"{first.title}: {upper} stays above {lower}{at_all}")


def _place(
    score: StressScore, x: float | None, x_next: float | None, share: float, *, unchanged: bool
) -> tuple[float | None, str]:
    if x is None or x_next is None:
        return None, "" if x_next is None else f" between the clean clips and {x_next:g} {score.unit}"
    at = x + (x_next - x) * share
    ends = f"{'the clean clips' if unchanged else f'{x:g}'} and {x_next:g}"
    return at, f" at about {at:.2g} {score.unit} (between {ends}, interpolated)"
