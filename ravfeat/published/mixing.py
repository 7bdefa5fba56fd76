"""Average seeds, calibrate and fuse logits, in the order of operations of a run.

Conventions
-----------
Axes: M systems, N clips, S seeds, K classes. The very functions that made the run's numbers make these, on the
same arrays, so that they are the same to the last bit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures
from ravfeat.fusion import fused_logits, name_of
from ravfeat.heads.base import Model
from ravfeat.heads.parallel import one_thread_each
from ravfeat.predictions import System, mean_of_seeds
from ravfeat.published.parts import Learned, at, mixed_in
from ravfeat.schema import FUSED_STREAMS

__all__ = ["probabilities", "system_logits"]


def system_logits(models: Sequence[Model], features: ClipFeatures) -> NDArray[np.float32]:
    """Score all clips with the models of all seeds, shape (N, S, K)."""
    rows = np.arange(len(features))
    # What overflows is not finite, and the caller looks for that. One thread, as in a run: the last bits of a product
    # depend on how many threads share it.
    with np.errstate(all="ignore"), one_thread_each():
        return np.stack([model.logits(features, rows) for model in models], axis=1)


def probabilities(
    systems: Sequence[System],
    logits: Sequence[NDArray[np.float32]],
    learned: Learned,
    orders: Sequence[NDArray[np.int64]],
) -> dict[System, NDArray[np.float64]]:
    """Average, calibrate and fuse.

    Parameters
    ----------
    systems : sequence of System, length M
    logits : sequence of ndarray of shape (N, S, K)
        One for each system, in rows of its own.
    learned : Learned
    orders : sequence of ndarray of shape (N,), int64
        For each system its rows in the order that all systems share.

    Returns
    -------
    dict of System to ndarray of shape (N, K)
        Every system by itself and, where they are fused, the mixtures, in the rows of the first one that is mixed in.
    """
    averaged = [mean_of_seeds(seed_logits) for seed_logits in logits]
    temperatures = [at(value) for value in learned.temperatures]
    probs = {
        system: np.exp(temperature.transform(seed_logits))
        for system, temperature, seed_logits in zip(systems, temperatures, averaged, strict=True)
    }
    if learned.fusion is None:
        return probs
    members = mixed_in(systems)
    shared = np.stack([averaged[number][orders[number]] for number in members])
    calibrated = learned.fusion.calibrated(shared)
    back = np.argsort(orders[members[0]])
    for stream, value in zip(FUSED_STREAMS, learned.fused, strict=True):
        mixed = fused_logits(learned.fusion.mix(learned.fusion.choices[stream], calibrated))
        probs[name_of([systems[number] for number in members], stream)] = np.exp(
            at(value).transform(mean_of_seeds(mixed[:, None]))
        )[back]
    return probs
