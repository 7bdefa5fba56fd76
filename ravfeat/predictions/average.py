"""From logits of several seeds to one probability per clip.

Offers
------
SystemProbs, softmax, average_seeds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.predictions.columns import System, logit_array

__all__ = ["SystemProbs", "average_seeds", "softmax"]


@dataclass(frozen=True)
class SystemProbs:
    """Probabilities of one system on one split, seeds averaged, sorted by clip (then fold).

    Attributes
    ----------
    clip_ids, performance_ids, actors : ndarray of shape (N,), object (str)
    folds : ndarray of shape (N,), int64
    y : ndarray of shape (N,), int64
        Index of the true label in `classes`.
    probs : ndarray of shape (N, K), float64
        Mean over seeds of softmax(logits).
    classes : tuple of str, length K
    seeds : tuple of int
        The seeds that were averaged, ascending.
    """

    clip_ids: NDArray[Any]
    performance_ids: NDArray[Any]
    actors: NDArray[Any]
    folds: NDArray[np.int64]
    y: NDArray[np.int64]
    probs: NDArray[np.float64]
    classes: tuple[str, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.y)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits of shape (..., K) into probabilities, in float64.

    ``p_k = exp(z_k - max z) / sum_j exp(z_j - max z)``
    """
    z = np.asarray(logits, dtype=np.float64)
    powers = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def average_seeds(rows: pa.Table, classes: tuple[str, ...], system: System) -> SystemProbs:
    """Average the softmax of all rows of a clip and fold; refuse seeds that cover different clips."""
    if rows.num_rows == 0:
        raise PredictionsError(f"{system} has no rows of this seed")
    rows = rows.sort_by([("clip_id", "ascending"), ("fold", "ascending"), ("seed", "ascending")])
    seeds = tuple(sorted(pc.unique(rows["seed"]).to_pylist()))
    _check_seeds_cover_the_same(rows, seeds, system)
    one = rows.take(pa.array(np.arange(0, rows.num_rows, len(seeds))))
    probs = (
        softmax(logit_array(rows, len(classes))).reshape(one.num_rows, len(seeds), len(classes)).mean(1)
    )  # (N, S, K) -> (N, K)
    y = pc.index_in(one["label"], value_set=pa.array(classes))
    return SystemProbs(
        clip_ids=np.asarray(one["clip_id"].to_pylist(), dtype=object),
        performance_ids=np.asarray(one["performance_id"].to_pylist(), dtype=object),
        actors=np.asarray(one["actor"].to_pylist(), dtype=object),
        folds=np.asarray(one["fold"], dtype=np.int64),
        y=np.asarray(y, dtype=np.int64),
        probs=probs,
        classes=classes,
        seeds=seeds,
    )


def _check_seeds_cover_the_same(rows: pa.Table, seeds: tuple[int, ...], system: System) -> None:
    counts = rows.group_by(["clip_id", "fold"]).aggregate([([], "count_all")])
    odd = counts.filter(pc.field("count_all") != len(seeds))
    if odd.num_rows:
        first = odd.sort_by("clip_id").slice(0, 1).to_pylist()[0]
        have = rows.filter((pc.field("clip_id") == first["clip_id"]) & (pc.field("fold") == first["fold"]))
        raise PredictionsError(
            f"the seeds of {system} cover different clips: {first['clip_id']} (fold {first['fold']}) has seeds "
            f"{sorted(have['seed'].to_pylist())} of {list(seeds)} ({odd.num_rows} such clips)"
        )
