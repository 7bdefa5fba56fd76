"""From hidden states to what a shard keeps: layers chosen, frames averaged or pooled, narrowed, digested.

Offers
------
to_stored, ShardBuilder.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import (
    POOLED_STATISTICS,
    ClipRecord,
    FailedClip,
    ShardContent,
    StoreRecipe,
    features_sha256,
)
from ravfeat.encoders.base import Encoder
from ravfeat.errors import ClipError
from ravfeat.extract.decode import DecodedClip
from ravfeat.manifest import Clip
from ravfeat.pooling import average_frames, pool_frames

__all__ = ["ShardBuilder", "to_stored"]


def to_stored(
    states: NDArray[np.float32], times_s: NDArray[np.float64], recipe: StoreRecipe
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Apply a store recipe to one clip.

    Parameters
    ----------
    states : ndarray of shape (T, L, D), float32
    times_s : ndarray of shape (T,)
    recipe : StoreRecipe

    Returns
    -------
    block : ndarray of shape (L', T', D'), in the recipe's dtype
        Layer-major, as it is stored.
    times_s : ndarray of shape (T',)
        Centre of every stored frame.

    Raises
    ------
    ClipError
        Where the states hold NaN or infinite values, or the dtype cannot hold them.
    """
    layers = recipe.resolve_layers(states.shape[1])
    if len(layers) < states.shape[1]:
        states = states[:, list(layers)]
    whole = np.array([0, len(states)])
    if recipe.store == "pooled":
        pooled = pool_frames(states, whole, POOLED_STATISTICS)[0]  # (L, S, D)
        block = pooled.reshape(len(layers), 1, -1)
        times_s = times_s.mean(keepdims=True)
    else:
        if recipe.frame_stride > 1:
            states = np.asarray(average_frames(states, whole, recipe.frame_stride)[0])
            starts = range(recipe.frame_stride, len(times_s), recipe.frame_stride)
            times_s = np.array([window.mean() for window in np.split(times_s, starts)])
        block = states.transpose(1, 0, 2)  # (T, L, D) -> (L, T, D)
    return _narrow(block, layers, recipe.dtype), times_s


def _narrow(block: NDArray[np.float32], layers: tuple[int, ...], dtype: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(block, dtype=dtype)
    if not np.isfinite(stored).all():
        _refuse(block, stored, layers)
    return stored


def _refuse(block: NDArray[np.float32], stored: NDArray[Any], layers: tuple[int, ...]) -> None:
    def layers_of(finite: NDArray[np.bool_]) -> list[int]:
        return [layers[position] for position in np.flatnonzero(~finite.all(axis=(1, 2)))]

    if wrong := layers_of(np.isfinite(block)):
        raise ClipError(f"the encoder gave NaN or infinite values in layers {wrong}")
    raise ClipError(
        f"values up to {np.abs(block).max():.3g} in layers {layers_of(np.isfinite(stored))} do not fit into float16"
        " (at most 65504); extract with --dtype float32"
    )


class ShardBuilder:
    """Collects the clips of one shard until it can be written.

    Parameters
    ----------
    number : int
    clips : tuple of Clip
        What belongs in the shard, sorted.
    encoder : Encoder
    recipe : StoreRecipe
    """

    def __init__(self, number: int, clips: tuple[Clip, ...], encoder: Encoder, recipe: StoreRecipe) -> None:
        self.number = number
        self._clips = clips
        self._encoder = encoder
        self._recipe = recipe
        self._stored: dict[str, tuple[DecodedClip, NDArray[Any], NDArray[np.float64]]] = {}
        self._failed: dict[str, tuple[str, str]] = {}

    def add(self, decoded: DecodedClip, states: NDArray[np.float32]) -> None:
        """Take one encoded clip; one that cannot be stored becomes a failed clip."""
        try:
            block, times_s = to_stored(states, self._encoder.times_s(len(states)), self._recipe)
        except ClipError as error:
            self.fail(decoded.clip, "encode", f"{decoded.clip.path}: {error}")
        else:
            self._stored[decoded.clip.clip_id] = decoded, block, times_s

    def fail(self, clip: Clip, stage: str, reason: str) -> None:
        """Record why a clip cannot be stored."""
        self._failed[clip.clip_id] = stage, reason

    @property
    def complete(self) -> bool:
        """Whether every clip of the shard was stored or failed."""
        return len(self._stored) + len(self._failed) == len(self._clips)

    def content(
        self, about: Mapping[str, Any], identity: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> ShardContent:
        """Give everything the shard file will hold; clips in the order of their ids."""
        records, failed, blocks, times = [], [], [], []
        start = 0
        for clip in self._clips:
            facts = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
            if clip.clip_id in self._failed:
                failed.append(FailedClip(*facts, *self._failed[clip.clip_id]))
                continue
            decoded, block, times_s = self._stored[clip.clip_id]
            source = (decoded.n_samples, decoded.rate_hz, decoded.input_sha256)
            records.append(ClipRecord(*facts, *source, features_sha256(block), start, block.shape[1]))
            blocks.append(block)
            times.append(times_s)
            start += block.shape[1]
        spec = self._encoder.spec
        layers, _, dim = self._recipe.stored_shape(1, spec.n_layers, spec.dim)
        return ShardContent(
            number=self.number,
            about=about,
            identity=identity,
            provenance=provenance,
            clips=tuple(records),
            failed=tuple(failed),
            features=tuple(blocks),
            times_s=tuple(times),
            shape=(layers, dim),
        )
