"""Average the softmax of several seeds into one probability per clip."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions.columns import System, logit_array
from ravfeat.short_repr import short_repr

__all__ = ["SystemProbs", "average_seeds", "mean_of_seeds"]


@short_repr
@dataclass(frozen=True)
class SystemProbs:
    """Probabilities of one system on one split, seeds averaged, sorted by clip (then fold).

    They are kept as logarithms, so that what is nearly impossible stays apart from what is more so.

    Attributes
    ----------
    clip_ids, performance_ids, actors : ndarray of shape (N,), object (str)
    folds : ndarray of shape (N,), int64
    y : ndarray of shape (N,), int64
        Index of the true label in `classes`.
    log_probs : ndarray of shape (N, K), float64
        Logarithm of the mean over seeds of softmax(logits); after `calibrated`, at a temperature.
    classes : tuple of str, length K
    seeds : tuple of int
        The seeds that were averaged, ascending.
    split : str
        ``val`` rows may be learned from, ``test`` rows only be read.
    uncalibrated_log_probs : ndarray of shape (N, K), float64, optional
        What `log_probs` were before `calibrated`; None where they are as the system said.
    """

    clip_ids: NDArray[Any]
    performance_ids: NDArray[Any]
    actors: NDArray[Any]
    folds: NDArray[np.int64]
    y: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    classes: tuple[str, ...]
    seeds: tuple[int, ...]
    split: str = "test"
    uncalibrated_log_probs: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def probs(self) -> NDArray[np.float64]:
        """Probabilities, of shape (N, K)."""
        return np.asarray(np.exp(self.log_probs))

    @cached_property
    def uncalibrated(self) -> NDArray[np.float64]:
        """Probabilities as the system said them, of shape (N, K)."""
        return self.probs if self.uncalibrated_log_probs is None else np.asarray(np.exp(self.uncalibrated_log_probs))

    def rows(self, chosen: NDArray[Any]) -> "SystemProbs":
        """Keep some rows, given as a mask or as indices."""
        uncalibrated = self.uncalibrated_log_probs
        return replace(
            self,
            clip_ids=self.clip_ids[chosen],
            performance_ids=self.performance_ids[chosen],
            actors=self.actors[chosen],
            folds=self.folds[chosen],
            y=self.y[chosen],
            log_probs=self.log_probs[chosen],
            uncalibrated_log_probs=None if uncalibrated is None else uncalibrated[chosen],
        )

    def calibrated(self, log_probs: NDArray[np.float64]) -> "SystemProbs":
        """Replace the probabilities and remember what the system said."""
        return replace(self, log_probs=log_probs, uncalibrated_log_probs=self.log_probs)


def mean_of_seeds(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the logarithm of the mean of softmax(logits) over S seeds: (N, S, K) -> (N, K)."""
    # In logarithms all the way: as a probability, what is nearly impossible would round to 0.
    by_seed = log_softmax(logits)
    return np.asarray(np.logaddexp.reduce(by_seed, axis=1) - np.log(by_seed.shape[1]))


def average_seeds(rows: pa.Table, classes: tuple[str, ...], system: System) -> SystemProbs:
    """Average the softmax of all rows of a clip and fold; refuse seeds that cover different clips."""
    if rows.num_rows == 0:
        raise PredictionsError(f"{system} has no rows of this seed")
    rows = rows.sort_by([("clip_id", "ascending"), ("fold", "ascending"), ("seed", "ascending")])
    seeds = tuple(sorted(pc.unique(rows["seed"]).to_pylist()))
    _check_seeds_cover_the_same(rows, seeds, system)
    # Sorted by clip, fold and seed, and no seed lacks a clip: every S rows are one clip, told by its first row.
    clips = rows.take(pa.array(np.arange(0, rows.num_rows, len(seeds))))
    by_seed = logit_array(rows, len(classes)).reshape(clips.num_rows, len(seeds), len(classes))
    y = pc.index_in(clips["label"], value_set=pa.array(classes))
    return SystemProbs(
        clip_ids=np.asarray(clips["clip_id"].to_pylist(), dtype=object),
        performance_ids=np.asarray(clips["performance_id"].to_pylist(), dtype=object),
        actors=np.asarray(clips["actor"].to_pylist(), dtype=object),
        folds=np.asarray(clips["fold"], dtype=np.int64),
        y=np.asarray(y, dtype=np.int64),
        log_probs=mean_of_seeds(by_seed),
        classes=classes,
        seeds=seeds,
        split=clips["split"][0].as_py(),
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
