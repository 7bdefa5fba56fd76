"""Clips that tell most about a run: most surely right, most surely wrong, most disputed between voice and face."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.errors import PredictionsError
from ravfeat.fusion import AlignedRows, align_rows
from ravfeat.report.best_systems import best_of_run
from ravfeat.report.graded import Graded

__all__ = ["SHOWN", "Recorded", "RecordedClip", "divergence", "recorded_of"]

SHOWN = 3
"""Clips of each kind."""

_VOICE_AND_FACE = ("audio", "face")


@dataclass(frozen=True)
class RecordedClip:
    """A tested clip and what every system says of it.

    Attributes
    ----------
    clip_id, actor : str
        The clip is that of the first system: the voice's, where there is one.
    fold : int
        Where it was tested.
    truth : int
        Index of its label among the classes.
    probs : ndarray of shape (M, K), float64
        Calibrated, in the order of `Recorded.entries`.
    divergence : float
        Between voice and face, in bits; NaN where there are not both.
    """

    clip_id: str
    actor: str
    fold: int
    truth: int
    probs: NDArray[np.float64]
    divergence: float


@dataclass(frozen=True)
class Recorded:
    """What is shown of a run.

    Attributes
    ----------
    entries : tuple of Graded, length M
        The best system of each stream, the voice first, then what was fused.
    main : int
        The one whose probability says how sure: what was fused, else the first.
    right, wrong, disputed : tuple of RecordedClip
        Most surely right and wrong by `main`; most disputed between voice and face. At most `SHOWN` of each.
    """

    entries: tuple[Graded, ...]
    main: int
    right: tuple[RecordedClip, ...]
    wrong: tuple[RecordedClip, ...]
    disputed: tuple[RecordedClip, ...]

    @property
    def clips(self) -> tuple[RecordedClip, ...]:
        """Every clip that is shown, once."""
        return tuple({clip.clip_id: clip for clip in (*self.right, *self.wrong, *self.disputed)}.values())


def recorded_of(graded: Sequence[Graded]) -> Recorded:
    """Choose the clips of one run: the first honest one with a voice and a face, else the first of the report."""
    runs = list({id(entry.run): entry.run for entry in graded}.values())
    of_runs = [[entry for entry in graded if entry.run is run] for run in runs]
    both = [of_run for of_run in of_runs if not of_run[0].leaky and {*_VOICE_AND_FACE} <= _streams(of_run)]
    entries, rows = _aligned((both or of_runs)[0])
    main = next((place for place, entry in enumerate(entries) if entry.role == "fused"), 0)
    clips = _clips(entries, rows)
    prob = np.exp(rows.log_probs[main].max(-1))
    hit = metrics.decide(rows.log_probs[main]) == rows.y
    divergences = np.array([clip.divergence for clip in clips])
    return Recorded(
        entries,
        main,
        _most(clips, prob, hit),
        _most(clips, prob, ~hit),
        _most(clips, divergences, ~np.isnan(divergences)),
    )


def _streams(entries: Sequence[Graded]) -> set[str]:
    return {entry.system.stream for entry in entries}


def _aligned(of_run: Sequence[Graded]) -> tuple[tuple[Graded, ...], AlignedRows]:
    """Give a run's best systems and their test rows; of streams that saw other performances, the first alone."""
    best = best_of_run(of_run).entries or tuple(of_run[:1])
    entries = tuple(sorted(best, key=lambda entry: (entry.role == "fused", entry.system.stream != "audio")))
    try:
        return entries, _rows(entries)
    except PredictionsError:
        return entries[:1], _rows(entries[:1])


def _rows(entries: Sequence[Graded]) -> AlignedRows:
    return align_rows([entry.system for entry in entries], [entry.probs for entry in entries], "test rows")


def _clips(entries: Sequence[Graded], rows: AlignedRows) -> list[RecordedClip]:
    probs = np.exp(rows.log_probs)  # (M, N, K)
    streams = [entry.system.stream for entry in entries]
    between = np.full(len(rows.y), np.nan)
    if {*_VOICE_AND_FACE} <= set(streams):
        voice, face = (probs[streams.index(stream)] for stream in _VOICE_AND_FACE)
        between = divergence(voice, face)
    first = entries[0].probs
    folds = dict(zip(first.clip_ids, first.folds, strict=True))
    return [
        RecordedClip(
            str(clip_id), str(rows.actors[n]), int(folds[clip_id]), int(rows.y[n]), probs[:, n], float(between[n])
        )
        for n, clip_id in enumerate(rows.clip_ids)
    ]


def _most(
    clips: Sequence[RecordedClip], values: NDArray[np.float64], among: NDArray[np.bool_]
) -> tuple[RecordedClip, ...]:
    """Give the clips of the largest values; of equal ones, those that come first by name."""
    chosen = sorted(np.flatnonzero(among).tolist(), key=lambda n: (-values[n], clips[n].clip_id))
    return tuple(clips[n] for n in chosen[:SHOWN])


def divergence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how far two distributions are apart: the Jensen–Shannon divergence, in bits.

    Parameters
    ----------
    first, second : ndarray of shape (..., K)
        Probabilities.

    Returns
    -------
    ndarray of shape (...)
        0 where they are the same, 1 where nothing is possible in both.

    Examples
    --------
    >>> divergence(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]]))
    array([1., 0.])
    """
    middle = (first + second) / 2
    parts = [np.where(side > 0, side * np.log2(np.where(side > 0, side / middle, 1)), 0) for side in (first, second)]
    return np.asarray((parts[0] + parts[1]).sum(-1) / 2)
