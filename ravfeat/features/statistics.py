"""Pooled statistics of clips for heads, computed from frames or taken from a pooled cache.

Conventions
-----------
Axes: N clips, L layers, S statistics, D dimensions. A pooled cache has one frame per clip whose
last axis holds its statistics one after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.numerics.parts import reads_active
from ravfeat.numerics.pooling import Statistic, pool_frames

__all__ = [
    "FACE_MOTION_STATISTICS",
    "check_features",
    "clip_statistics",
    "layer_positions",
    "select_clips",
    "source_of",
    "split_statistics",
]

FACE_MOTION_STATISTICS: tuple[Statistic, ...] = (
    "mean", "log_std", "log_speed", "log_acceleration", "power1", "power2", "power3", "power4", "power5", "power6",
    "third1", "third2", "third3", "q10", "q90",
    "third1_rise", "third2_rise", "third3_rise", "q10_rise", "q90_rise",
)  # fmt: skip
"""What describes the distances of ``face-geometry`` over a clip: how large, how far and fast they move, how often in a
second, how that differs from part to part, and from the face with which the clip begins.

With the head ``kernel`` on inner actors of RAVDESS (``ravdess6``, nested) these took the mean UAR from 0.645, with
mean, std and speed, to 0.704; concatenated with log probabilities of expressions they gave 0.753. In a
kernel of equal blocks each of four groups is worth 0.007 to 0.022: mean and logarithms of spread, powers, thirds and
quantiles, rises."""

_SOURCE = ("dim", "pooled", "blocks", "also_dims", "also_layers", "also_pooled")


def select_clips(features: ClipFeatures, rows: NDArray[np.int64]) -> ClipFeatures:
    """Features of some clips only, in the order of `rows`."""
    also = tuple(select_clips(stream, rows) for stream in features.also)
    # All clips in their order: nothing to copy.
    if features.stored is None and len(rows) == len(features) and (rows == np.arange(len(features))).all():
        return features
    if features.stored is not None:
        pieces = [features.stored.read(int(row)) for row in rows]
    else:
        pieces = [features.frames[features.offsets[row] : features.offsets[row + 1]] for row in rows]
    frames = np.concatenate(pieces) if pieces else features.frames[:0]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return replace(features, frames=frames, offsets=offsets, also=also, stored=None)


def source_of(features: ClipFeatures) -> dict[str, Any]:
    """Describe what a model was trained on, for its recipe.

    Returns
    -------
    dict
        ``dim``, ``pooled``; of concatenated caches ``blocks``; of several streams ``also_dims``, ``also_layers`` and
        ``also_pooled``, one entry for each stream but the first.
    """
    source = {"dim": _dim(features), "pooled": bool(features.statistics)}
    concatenated = {"blocks": list(features.blocks)} if features.blocks else {}
    if not features.also:
        return source | concatenated
    return (
        source
        | concatenated
        | {
            "also_dims": [_dim(stream) for stream in features.also],
            "also_layers": [list(stream.layers) for stream in features.also],
            "also_pooled": [bool(stream.statistics) for stream in features.also],
        }
    )


def _dim(features: ClipFeatures) -> int:
    # A pooled cache has its statistics side by side in the last axis.
    return int(features.frames.shape[2]) // max(1, len(features.statistics))


def check_features(features: ClipFeatures, recipe: Mapping[str, Any]) -> None:
    """Refuse features that a model was not trained on.

    Parameters
    ----------
    features : ClipFeatures
    recipe : mapping
        Of the model; holds what `source_of` gave.

    Raises
    ------
    HeadError
        If the width of a layer differs, one is pooled and the other is not, or other caches were
        concatenated, or in another order, or those of other streams lie beside them.
    """
    source, trained_on = source_of(features), {name: recipe[name] for name in _SOURCE if name in recipe}
    if source != trained_on:
        raise HeadError(
            f"the model was trained on {_kind(trained_on)}, these features are {_kind(source)}; read them from a cache"
            " like the one it was trained on"
        )


def _kind(source: Mapping[str, Any]) -> str:
    concatenated = f" of concatenated caches ({' + '.join(map(str, source['blocks']))})" if "blocks" in source else ""
    beside = f" with streams of {', '.join(map(str, source['also_dims']))} beside them" if "also_dims" in source else ""
    return (
        f"{'pooled statistics' if source['pooled'] else 'frames'} of {source['dim']} dimensions{concatenated}{beside}"
    )


def layer_positions(features: ClipFeatures, layers: Sequence[int] | None) -> list[int]:
    """Positions of encoder layers on the layer axis; all positions if `layers` is None.

    Raises
    ------
    HeadError
        If a layer is not among those of `features`, or `layers` is empty.
    """
    if layers is None:
        return list(range(len(features.layers)))
    missing = [layer for layer in layers if layer not in features.layers]
    if missing or not layers:
        have = ", ".join(map(str, features.layers))
        absent = ", ".join(map(str, missing)) or "none"
        raise HeadError(f"the head reads layers {absent}, the features have layers {have}; choose among those")
    return [features.layers.index(layer) for layer in layers]


def clip_statistics(
    features: ClipFeatures, statistics: Sequence[str], *, layers: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Give statistics of every clip, whichever way the cache stores it.

    Parameters
    ----------
    features : ClipFeatures
    statistics : sequence of str
        See `ravfeat.features.clips.Reading`.
    layers : sequence of int, optional
        Encoder layers to read; all by default.

    Returns
    -------
    ndarray of shape (N, L, S, D), float32

    Raises
    ------
    HeadError
        If a pooled cache does not hold a statistic, a layer is missing, or statistics of a part are to be made from
        frames, which do not say where it lies.
    """
    keep = layer_positions(features, layers)
    if features.statistics:
        return np.stack(split_statistics(features, statistics, keep), axis=2).astype(np.float32)
    if reads_active(statistics):
        raise HeadError(
            f"{', '.join(statistics)}: parts of clips are pooled while a cache is read; load the features with the"
            " `reading` of the head"
        )
    return pool_frames(features.frames, features.offsets, statistics, layers=keep)


def split_statistics(
    features: ClipFeatures, statistics: Sequence[str], positions: Sequence[int]
) -> list[NDArray[np.floating]]:
    """Cut statistics out of a pooled cache.

    Returns
    -------
    list of ndarray of shape (N, L, D)
        One per name in `statistics`.

    Raises
    ------
    HeadError
        If the cache does not hold one of them.
    """
    missing = [name for name in statistics if name not in features.statistics]
    if missing:
        raise HeadError(
            f"the head needs the statistics {', '.join(statistics)}; this pooled cache holds only "
            f"{', '.join(features.statistics)} and {', '.join(missing)} cannot be made from them: "
            "extract again with --store frames, or choose another head"
        )
    width = features.frames.shape[2] // len(features.statistics)
    clips = features.frames[:, list(positions)]  # (N, L, S * D)
    return [
        clips[..., at * width : (at + 1) * width] for at in (features.statistics.index(name) for name in statistics)
    ]
