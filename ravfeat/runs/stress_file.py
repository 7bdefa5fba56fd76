"""Read ``stress.json``: scores of a run's heads on changed test recordings, by condition and strength."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ravfeat.documents import Count, Text, read_json
from ravfeat.errors import PredictionsError
from ravfeat.predictions import System
from ravfeat.runs.audit_file import stale_files
from ravfeat.runs.format import STRESS_FILE
from ravfeat.short_repr import short_repr
from ravfeat.stats import Difference, Interval

__all__ = [
    "Changeable",
    "ClassRecall",
    "Crossing",
    "Step",
    "Stress",
    "StressScore",
    "StressedClips",
    "Value",
    "ladder",
    "read_stress",
]

Changeable = Literal["audio", "face"]
"""Streams of which there are recordings that can be changed."""

_REMEDY = "remove it; 'ravfeat stress' makes it again"


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval over actors."""

    value: float
    ci_low: float
    ci_high: float

    @classmethod
    def of(cls, score: Interval | Difference) -> "Value":
        """Keep what is stored of a score."""
        return cls(score.value, score.ci_low, score.ci_high)

    def text(self, form: str = ".3f") -> str:
        """Write it, as in ``0.754 [0.700, 0.801]``."""
        return f"{self.value:{form}} [{self.ci_low:{form}}, {self.ci_high:{form}}]"


@dataclass(frozen=True)
class ClassRecall:
    """Recall of one class, of `n` true clips."""

    label: Text
    value: float
    n: int


@short_repr
@dataclass(frozen=True)
class StressScore:
    """One system under one condition.

    Attributes
    ----------
    stream, features, head : str
    recipe, title, unit : str
        What was done, see `ravfeat.media.conditions.CONDITIONS`; ``clean`` where nothing was.
    strength : float or None
        None where a recipe has one only.
    clean : float or None
        The strength that changes nothing; None where it is infinite, or there is no strength.
    n : int
        Clips that were scored, on both sides of the difference.
    uar, ece : Value
        Pooled, of calibrated probabilities.
    uar_clean, ece_clean : float
        Of the same clips as they are.
    difference : Value
        Of UAR, changed less clean, paired over actors.
    recalls : tuple of ClassRecall
    """

    stream: str
    features: str
    head: str
    recipe: Text
    title: Text
    unit: str
    strength: float | None
    clean: float | None
    n: Count
    uar: Value
    ece: Value
    uar_clean: float
    ece_clean: float
    difference: Value
    recalls: tuple[ClassRecall, ...]

    @property
    def system(self) -> System:
        """The system."""
        return System(self.stream, self.features, self.head)

    @property
    def condition(self) -> str:
        """Recipe and strength in words."""
        return self.title if self.strength is None else f"{self.title} {self.strength:g} {self.unit}"


@dataclass(frozen=True)
class StressedClips:
    """What was done to the recordings of one stream by one condition; `failed` ones with the reason, by clip."""

    stream: Changeable
    recipe: Text
    strength: float | None
    n: int
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Crossing:
    """Between which strengths one system falls below another, in words; `at` is interpolated, None where it cannot."""

    recipe: Text
    at: float | None
    words: Text


@short_repr
@dataclass(frozen=True)
class Stress:
    """``stress.json``.

    Attributes
    ----------
    files : mapping of str to str
        SHA-256 of the files of the run that it is about.
    sample : str
        Which clips were changed: ``all 1440 test clips``.
    check : str
        How far the heads on recordings that were not changed are from the run's own predictions.
    clean : tuple of StressScore
        Every system on these clips as they are, without recipe's effect (``recipe`` is ``clean``).
    scores : tuple of StressScore
    conditions : tuple of StressedClips
    crossings : tuple of Crossing
    left_out : mapping of str to str
        Systems whose recordings could not be changed, with the reason.
    stale : tuple of str
        Files of the run that are others by now; not in the file.
    """

    files: Mapping[str, str]
    sample: Text
    check: Text
    clean: tuple[StressScore, ...]
    scores: tuple[StressScore, ...]
    conditions: tuple[StressedClips, ...]
    crossings: tuple[Crossing, ...]
    left_out: Mapping[str, str]
    stale: tuple[str, ...] = ()
    format: Literal["ravfeat-stress"] = "ravfeat-stress"
    format_version: Literal[1] = 1

    def of(self, system: System) -> Sequence[StressScore]:
        """Give the scores of one system, in their order."""
        return [score for score in self.scores if score.system == system]

    @property
    def failed(self) -> dict[str, str]:
        """Clips that could not be read or encoded under some condition, with a reason."""
        return {clip: reason for each in self.conditions for clip, reason in each.failed.items()}


@dataclass(frozen=True)
class Step:
    """One place of a ladder of strengths: the clean clips where `score` is None."""

    strength: float | None
    uar: float
    ece: float
    score: StressScore | None = None


def ladder(scores: Sequence[StressScore]) -> list[Step]:
    """Put the scores of one system under one recipe in the order of their strengths, the clean clips among them.

    Where no finite strength is clean (a signal-to-noise ratio, a bit rate) the clean clips are first and the strengths
    fall; else strengths rise.

    Parameters
    ----------
    scores : sequence of StressScore
        At least one; strengths that are None keep their order.
    """
    first = scores[0]
    clean = Step(first.clean, first.uar_clean, first.ece_clean)
    changed = [Step(score.strength, score.uar.value, score.ece.value, score) for score in scores]
    if first.clean is None:
        return [clean, *sorted(changed, key=lambda step: -(step.strength or 0.0))]
    return sorted([clean, *changed], key=lambda step: step.strength or 0.0)


def read_stress(run: Path) -> Stress | None:
    """Read ``stress.json`` of a run; None where it was never stressed.

    Raises
    ------
    PredictionsError
        Where it is damaged, of a newer version, or holds what no heads give.
    """
    path = run / STRESS_FILE
    if not path.is_file():
        return None
    stress = read_json(path, Stress, PredictionsError, _REMEDY)
    if fault := _fault(stress):
        raise PredictionsError(f"{path}: {fault}; {_REMEDY}")
    return replace(stress, stale=stale_files(run, stress.files))


def _fault(stress: Stress) -> str:
    """Say what no heads give; empty where there is nothing like it."""
    classes = {score.system: {recall.label for recall in score.recalls} for score in stress.clean}
    for score in (*stress.clean, *stress.scores):
        where = f"{score.system}, {score.condition}"
        if score.system not in classes:
            return f"{where}: there are no scores of its clean clips"
        if odd := {recall.label for recall in score.recalls} - classes[score.system]:
            return f"{where}: recall of '{min(odd)}', which is no class of its clean clips"
        if any(not 0 <= recall.value <= 1 for recall in score.recalls):
            return f"{where}: expected recalls from 0 to 1"
        values = ((0, score.uar), (0, score.ece), (-1, score.difference))
        rising = [(least, each.ci_low, each.value, each.ci_high, 1) for least, each in values]
        rising += [(0, score.uar_clean, 1, 1, 1), (0, score.ece_clean, 1, 1, 1)]
        if any(sorted(numbers) != list(numbers) for numbers in rising):
            return f"{where}: expected scores from 0 to 1, each within its interval"
    return ""
