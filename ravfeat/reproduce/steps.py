"""Steps of a reproduction: each makes one run folder, or one comparison of splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.experiment.plan import FitPlan
from ravfeat.reproduce.caches import Material

__all__ = ["Fit", "Splits", "Step", "Tune", "estimate_s"]


@dataclass(frozen=True)
class Fit:
    """Heads under one protocol: a run's folder.

    Attributes
    ----------
    name : str
        Of the folder, unique in a study.
    title : str
        For people.
    plan : FitPlan
    materials : tuple of Material
        What it reads.
    """

    name: str
    title: str
    plan: FitPlan
    materials: tuple[Material, ...]


@dataclass(frozen=True)
class Splits:
    """One head on the actor split and on the LEAKY clip split: a comparison's folder. Attributes as of `Fit`."""

    name: str
    title: str
    plan: FitPlan
    materials: tuple[Material, ...]


@dataclass(frozen=True)
class Tune:
    """An encoder fine-tuned on waveforms: a run's folder.

    Attributes
    ----------
    name, title : str
    encoder : str
    unfreeze_top : int
    data : Path
    device : str
    """

    name: str
    title: str
    encoder: str
    unfreeze_top: int
    data: Path
    device: str


Step = Fit | Splits | Tune

_UNIT = 5 * 384 * 1440
"""Layers x dimensions x clips of the cache that the seconds below were measured with, on two cores."""

_SECONDS = {
    "attentive": 14.0, "attentive-sum": 22.0, "logreg": 8.0, "kernel": 8.0, "block-kernel": 4.0, "joint": 70.0,
    "joint-kernel": 6.0,
}  # fmt: skip
"""Six folds, one seed, chosen on validation actors."""

_SEEDLESS = ("logreg", "kernel", "block-kernel", "joint-kernel")
"""Further seeds of these cost nothing or, where they share their distances, little."""

_NESTED = 5.0
"""How many times as long nested selection takes."""


def estimate_s(step: Step) -> float | None:
    """Guess how long a step takes on two cores; None for fine-tuning, which depends on the encoder alone.

    Returns
    -------
    float or None
        Seconds.
    """
    if isinstance(step, Tune):
        return None
    plan = step.plan
    nested = plan.select == "nested" or plan.protocol == "loso24"
    folds = 4.0 if plan.protocol == "loso24" else 1.0
    once = sum(_head_s(entry, step.materials, plan) for entry in plan.heads)
    return once * folds * (_NESTED if nested else 1.0) * (2.0 if isinstance(step, Splits) else 1.0)


def _head_s(entry: str, materials: Sequence[Material], plan: FitPlan) -> float:
    stream, _, head = entry.rpartition(":")
    size = sum(
        len(material.layers) * material.dim * material.clips * (1 + len(material.views) * bool(plan.train_views))
        for material in materials
        if stream in ("", material.stream)
    )
    return _SECONDS.get(head, 10.0) * max(0.2, size / _UNIT) * (1 if head in _SEEDLESS else plan.seeds)
