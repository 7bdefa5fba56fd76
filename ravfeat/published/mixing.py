"""Average seeds, calibrate and fuse logits, in the order of operations of a run.

Conventions
-----------
Axes: M systems, N clips, S seeds, K classes. The very functions that made the run's numbers make these, on the
same arrays, so that they are the same to the last bit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.fusion import fused_logits, name_of
from ravfeat.heads.base import Model
from ravfeat.heads.parallel import one_thread_each
from ravfeat.predictions import System, mean_of_seeds
from ravfeat.published.parts import Learned, PublishedClip, at, mixed_in
from ravfeat.published.scored_clips import ScoredClips
from ravfeat.schema import FUSED_STREAMS

__all__ = ["logits_by_seed", "probabilities", "score_clips", "shared_orders", "system_attention"]


def score_clips(
    systems: Sequence[System],
    models: Sequence[Sequence[Model]],
    learned: Learned,
    features: Sequence[ScoredClips | None],
    clips: Sequence[Sequence[PublishedClip]],
    where: Path,
) -> dict[System, NDArray[np.float64]]:
    """Score clips with the heads of one source; see `ravfeat.published.PublishedHead.score`.

    Parameters
    ----------
    systems : sequence of System, length M
    models : sequence of sequence of Model
        Of every system, one for each seed.
    learned : Learned
    features, clips : sequence of length M
        None stands for a system that is not scored.
    where : Path
        The head's folder, for messages.

    Raises
    ------
    HeadError
        Where a head gives a clip logits that are not finite.
    """
    logits = {
        number: logits_by_seed(system_models, system_features)
        for number, (system_models, system_features) in enumerate(zip(models, features, strict=True))
        if system_features is not None
    }
    for number, system_logits in logits.items():
        if len(wrong := np.flatnonzero(~np.isfinite(system_logits).all((1, 2)))):
            raise HeadError(
                f"{where}: {systems[number]} gives {len(wrong)} of {len(clips[number])} clips no finite logits, the"
                f" first '{clips[number][wrong[0]].clip_id}': its weights are not those of a trained head; fetch or"
                " export it again"
            )
    orders = dict(zip(logits, shared_orders([clips[number] for number in logits]), strict=True))
    return probabilities(systems, logits, learned, orders)


def shared_orders(clips: Sequence[Sequence[PublishedClip]]) -> list[NDArray[np.int64]]:
    """Bring clips into the order in which a run fuses them: of the clip ids, or of the performances."""
    alike = len({frozenset(clip.clip_id for clip in system_clips) for system_clips in clips}) == 1
    keys = [[clip.clip_id if alike else clip.performance_id for clip in system_clips] for system_clips in clips]
    return [np.argsort(np.array(system_clips, dtype=str), kind="stable") for system_clips in keys]


def logits_by_seed(models: Sequence[Model], features: ScoredClips) -> NDArray[np.float32]:
    """Score all clips with the models of all seeds, shape (N, S, K)."""
    # What overflows is not finite, and the caller looks for that. One thread, as in a run: the last bits of a product
    # depend on how many threads share it.
    with np.errstate(all="ignore"), one_thread_each():
        return np.stack([features.logits(model) for model in models], axis=1)


def system_attention(models: Sequence[Model], features: ScoredClips) -> list[NDArray[np.float32]] | None:
    """Average over models where they pool from, clip by clip, not view; see `ravfeat.heads.base.Model.attention`."""
    rows, by_model = np.arange(len(features)), []
    for model in models:
        with np.errstate(all="ignore"), one_thread_each():
            attention = model.attention(features.features, rows)
        if attention is None:
            return None
        by_model.append(attention)
    return [np.asarray(np.mean(of_clip, axis=0), np.float32) for of_clip in zip(*by_model, strict=True)]


def probabilities(
    systems: Sequence[System],
    logits: Mapping[int, NDArray[np.float32]],
    learned: Learned,
    orders: Mapping[int, NDArray[np.int64]],
) -> dict[System, NDArray[np.float64]]:
    """Average, calibrate and fuse.

    Parameters
    ----------
    systems : sequence of System, length M
    logits : mapping of int to ndarray of shape (N, S, K)
        By the number of the system, in rows of its own; some systems may have none.
    learned : Learned
    orders : mapping of int to ndarray of shape (N,), int64
        For each of these systems its rows in the order that all systems share.

    Returns
    -------
    dict of System to ndarray of shape (N, K)
        Every system that has logits and, where all that are mixed in have some, the mixtures, in the rows of the first
        one that is mixed in.
    """
    averaged = {number: mean_of_seeds(seed_logits) for number, seed_logits in logits.items()}
    probs = {
        systems[number]: np.exp(at(learned.temperatures[number]).transform(log_probs))
        for number, log_probs in averaged.items()
    }
    members = mixed_in(systems)
    if learned.fusion is None or not set(members) <= averaged.keys():
        return probs
    shared = np.stack([averaged[number][orders[number]] for number in members])
    calibrated = learned.fusion.calibrated(shared)
    back = np.argsort(orders[members[0]])
    for stream, value in zip(FUSED_STREAMS, learned.fused, strict=True):
        mixed = fused_logits(learned.fusion.mix(learned.fusion.choices[stream], calibrated))
        probs[name_of([systems[number] for number in members], stream)] = np.exp(
            at(value).transform(mean_of_seeds(mixed[:, None]))
        )[back]
    return probs
