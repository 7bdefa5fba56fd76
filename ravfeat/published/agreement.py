"""Compare the probabilities of a published head with those of its run, clip by clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ravfeat.calibrate import calibrate
from ravfeat.errors import HeadError
from ravfeat.predictions import Predictions
from ravfeat.published.caches import match, read_clips
from ravfeat.published.head import PublishedHead
from ravfeat.published.parts import PublishedClip
from ravfeat.published.scored_clips import ScoredClips

__all__ = ["UNCHECKED", "RunAgreement", "compare"]

_TOLERATED = 1e-4
"""Another processor rounds otherwise; more than this is another head."""

UNCHECKED = "not checked: the caches were not at hand"


@dataclass(frozen=True)
class RunAgreement:
    """How far two sets of probabilities are apart.

    Attributes
    ----------
    rows : int
        Test rows of all systems.
    largest : float
        Largest difference of a probability; 0 where all are the same, bit for bit.
    """

    rows: int
    largest: float

    def __str__(self) -> str:
        if self.largest == 0:
            return f"identical, bit for bit, in all {self.rows} test rows"
        return f"within {self.largest:.1e} in {self.rows} test rows: another processor or device than that of the run"


def compare(head: PublishedHead, predictions: Predictions, caches: Sequence[Path], run: Path) -> RunAgreement:
    """Score every test clip by its fold's heads, and hold that against the run's calibrated probabilities.

    Raises
    ------
    HeadError
        Where they are further apart than rounding goes.
    """
    groups = match(head.parts, caches)
    clips = [_all_tested(head, number) for number in range(len(head.parts))]
    features = [
        read_clips(part, group, fold_clips, allow_missing=head.allows_missing)
        for part, group, fold_clips in zip(head.parts, groups, clips, strict=True)
    ]
    expected = {system: calibrate(predictions, system).test for system in predictions.systems()}
    n, largest = 0, 0.0
    for fold in head.folds:
        scored = head.score(_of_fold(features, clips, head.tested[fold]), head.tested[fold], [fold])
        for system, probs in scored.items():
            of_run = expected[system].probs[expected[system].folds == fold]
            n += len(of_run)
            largest = max(largest, float(np.abs(of_run - probs).max()))
            if largest > _TOLERATED:
                raise HeadError(
                    f"the heads in {run} do not give its predictions: {system} differs by {largest:.2g} in fold {fold};"
                    " heads or predictions were replaced since: make the run again"
                )
    return RunAgreement(n, largest)


def _all_tested(head: PublishedHead, system: int) -> list[PublishedClip]:
    return sorted({clip for fold in head.folds for clip in head.tested[fold][system]})


def _of_fold(
    features: Sequence[ScoredClips],
    clips: Sequence[Sequence[PublishedClip]],
    tested: Sequence[Sequence[PublishedClip]],
) -> list[ScoredClips]:
    chosen = []
    for read, system_clips, wanted in zip(features, clips, tested, strict=True):
        place: Mapping[PublishedClip, int] = {clip: row for row, clip in enumerate(system_clips)}
        chosen.append(read.select(np.array([place[clip] for clip in wanted], dtype=np.int64)))
    return chosen
