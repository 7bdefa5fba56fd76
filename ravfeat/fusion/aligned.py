"""The same performances as several systems see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError, format_missing
from ravfeat.predictions import System, SystemProbs

__all__ = ["Aligned", "align"]


@dataclass(frozen=True)
class Aligned:
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


def align(systems: Sequence[System], parts: Sequence[SystemProbs], where: str) -> Aligned:
    """Join systems by performance: streams see the same performance as different clips.

    Systems that have the very same clips are joined by clip, so that a performance may be several clips there.

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
    own = {frozenset(part.clip_ids.tolist()) for part in parts}
    keys = [part.clip_ids if len(own) == 1 else part.performance_ids for part in parts]
    orders = [_order(system, part, key, where) for system, part, key in zip(systems, parts, keys, strict=True)]
    names = [key[order].tolist() for key, order in zip(keys, orders, strict=True)]
    if any(one != names[0] for one in names):
        raise PredictionsError(
            f"{where}: systems that are fused must score the same performances:\n{format_missing(systems, names)}\n"
            "score all systems on the same clips with the same protocol and selection"
        )
    first = parts[0].rows(orders[0])
    for system, part, order in zip(systems[1:], parts[1:], orders[1:], strict=True):
        _check_agreed(systems[0], first, system, part.rows(order), where)
    return Aligned(
        first.clip_ids,
        first.performance_ids,
        first.actors,
        first.y,
        np.stack([part.log_probs[order] for part, order in zip(parts, orders, strict=True)]),
        first.split,
    )


def _order(system: System, part: SystemProbs, key: NDArray[Any], where: str) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.argsort(key.astype(str), kind="stable")
    names = key[order]
    twice = np.flatnonzero(names[1:] == names[:-1])
    if len(twice):
        clips = " and ".join(f"'{clip}'" for clip in part.clip_ids[order][twice[0] : twice[0] + 2])
        raise PredictionsError(
            f"{where}: {system} has performance '{names[twice[0]]}' as the clips {clips} ({len(twice)} such"
            " performances); systems are fused over one clip per performance"
        )
    return order


def _check_agreed(one: System, mine: SystemProbs, other: System, theirs: SystemProbs, where: str) -> None:
    for what, a, b in (
        ("actor", mine.actors, theirs.actors),
        ("label", np.take(mine.classes, mine.y), np.take(theirs.classes, theirs.y)),
    ):
        apart = np.flatnonzero(a != b)
        if len(apart):
            row = int(apart[0])
            raise PredictionsError(
                f"{where}: performance '{mine.performance_ids[row]}' has {what} '{a[row]}' in {one} and '{b[row]}' in"
                f" {other} ({len(apart)} such performances); systems of one corpus agree: score one of them again"
            )
