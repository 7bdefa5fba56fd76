"""The rows of several systems on the same performances, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravfeat.align import AlignErrors, align, common_key
from ravfeat.errors import PredictionsError
from ravfeat.predictions import System, SystemProbs
from ravfeat.short_repr import short_repr

__all__ = ["AlignedRows", "align_rows"]


@short_repr
@dataclass(frozen=True)
class AlignedRows:
    """Rows of M systems on the same N performances, sorted by them.

    Attributes
    ----------
    clip_ids, performance_ids, actors : ndarray of shape (N,), object (str)
        Clip ids are those of the first system.
    y : ndarray of shape (N,), int64
    log_probs : ndarray of shape (M, N, K), float64
    split : str
        Of the rows; see `ravfeat.predictions.check_learnable`.
    """

    clip_ids: NDArray[Any]
    performance_ids: NDArray[Any]
    actors: NDArray[Any]
    y: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    split: str


class _ProbsRow(NamedTuple):
    """One row of a system, as `ravfeat.align` wants it."""

    clip_id: str
    performance_id: str
    actor: str
    label: str
    number: int


def align_rows(systems: Sequence[System], parts: Sequence[SystemProbs], where: str) -> AlignedRows:
    """Match the rows of systems by performance: streams see the same performance as different clips.

    Systems that have the very same clips are matched by clip, so that a performance may be several clips there.

    Parameters
    ----------
    systems : sequence of System
        Names, for messages.
    parts : sequence of SystemProbs
        One per system, all of one fold and split.
    where : str
        What the rows are, for messages: ``"fold 2, val"``.

    Raises
    ------
    PredictionsError
        Performances that only some systems have, one that stands twice in a system, or one that has
        another actor or label in another system.
    """
    key = common_key([part.clip_ids.tolist() for part in parts])
    aligned = align(systems, [_rows_of(part) for part in parts], key, ("actor", "label"), _errors(where))
    orders = [np.array([row.number for row in table.values()], np.int64) for table in aligned.records]
    first = parts[0].rows(orders[0])
    return AlignedRows(
        first.clip_ids,
        first.performance_ids,
        first.actors,
        first.y,
        np.stack([part.log_probs[order] for part, order in zip(parts, orders, strict=True)]),
        first.split,
    )


def _rows_of(part: SystemProbs) -> list[_ProbsRow]:
    labels = np.take(part.classes, part.y)
    columns = [column.tolist() for column in (part.clip_ids, part.performance_ids, part.actors, labels)]
    return [_ProbsRow(*facts) for facts in zip(*columns, range(len(labels)), strict=True)]


def _errors(where: str) -> AlignErrors:
    return AlignErrors(
        duplicate=lambda fact: PredictionsError(f"{where}: {fact}; systems are fused over one clip per performance"),
        missing=lambda alignment: PredictionsError(
            f"{where}: systems that are fused must score the same performances:\n{alignment.gaps()}\n"
            "score all systems on the same clips with the same protocol and selection"
        ),
        conflict=lambda fact: PredictionsError(
            f"{where}: {fact}; systems of one corpus agree: score one of them again"
        ),
    )
