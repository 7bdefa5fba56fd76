"""Standardise features by the mean and standard deviation of a whole corpus, or of each actor, without any label.

A shift or a scale that all clips of a corpus or an actor share (a room, a codec, a voice) is gone then. What is known
of the test clips in doing so is all of them at once, unlabelled: the result is *transductive*, and says nothing about a
single clip that comes alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import in_memory

__all__ = ["check_actors", "standardised", "standardised_by_actor"]

_CHUNK = 4096  # frames; keeps the double-precision copies small
_NAMED = 5

_Rows = slice | NDArray[np.int64]


def standardised(features: ClipFeatures) -> ClipFeatures:
    """Bring every layer and dimension to mean 0 and standard deviation 1 over all frames of all clips.

    Parameters
    ----------
    features : ClipFeatures
        All clips of one corpus. Of pooled statistics each one is standardised by itself.

    Returns
    -------
    ClipFeatures
        Of the same shape and dtype. What never varies becomes 0.
    """
    features = in_memory(features)
    n = len(features.frames)
    return _scaled(features, [[slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]])


def standardised_by_actor(features: ClipFeatures, actors: Sequence[str]) -> ClipFeatures:
    """Bring every layer and dimension to mean 0 and standard deviation 1 over all frames of all clips of each actor.

    Known as speaker normalisation: Schuller et al. 2010 (doi:10.1109/T-AFFC.2010.8) compare it with normalisation by
    corpus.

    Parameters
    ----------
    features : ClipFeatures
        Of several streams, each is standardised by itself.
    actors : sequence of str, length N
        The actor of every clip, whether it trains or is tested.

    Returns
    -------
    ClipFeatures
        Of the same shape and dtype. What never varies within an actor's clips becomes 0 there.

    Raises
    ------
    UsageError
        See `check_actors`.
    """
    check_actors(actors)
    _, numbers = np.unique(np.array(actors, str), return_inverse=True)
    return replace(
        _scaled_by_group(features, numbers), also=tuple(_scaled_by_group(also, numbers) for also in features.also)
    )


def check_actors(actors: Sequence[str]) -> None:
    """Refuse actors of whom a single clip is there: nothing of it would be left but how it varies within itself.

    Raises
    ------
    UsageError
    """
    names, counts = np.unique(np.array(actors, str), return_counts=True)
    if len(alone := names[counts == 1]):
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        raise UsageError(
            f"--normalise actor standardises each actor by all their clips, and {', '.join(alone[:_NAMED])}{more} have"
            " a single one, of which nothing would be left: leave these clips out (--where, --clips), or run without"
            " --normalise"
        )


def _scaled_by_group(features: ClipFeatures, groups: NDArray[np.int64]) -> ClipFeatures:
    features = in_memory(features)
    of_frame = np.repeat(groups, np.diff(features.offsets))
    rows = [np.flatnonzero(of_frame == group) for group in range(int(groups.max(initial=-1)) + 1)]
    return _scaled(features, [np.split(frames, range(_CHUNK, len(frames), _CHUNK)) for frames in rows])


def _scaled(features: ClipFeatures, parts: Sequence[Sequence[_Rows]]) -> ClipFeatures:
    """Standardise each part of the frames by itself; a part is named by chunks of its rows."""
    frames = features.frames
    # Layers outermost in memory, as `load_features` gives them.
    scaled = allocate_array((frames.shape[1], len(frames), frames.shape[2]), frames.dtype).transpose(1, 0, 2)
    for chunks in parts:
        count = sum(len(frames[rows]) for rows in chunks)
        mean = sum(chunk.sum(0) for chunk in _chunks(frames, chunks)) / count  # (L, D)
        # A second pass, around the mean and in float64, so that a large mean costs no digits.
        variance = sum(((chunk - mean) ** 2).sum(0) for chunk in _chunks(frames, chunks)) / count
        # Rounding leaves a constant a spread of almost nothing; divided by that it would be noise of size 1.
        highest = np.max([frames[rows].max(0) for rows in chunks], axis=0)
        varies = highest > np.min([frames[rows].min(0) for rows in chunks], axis=0)
        scale = np.where(varies, np.sqrt(variance), np.inf)
        for rows in chunks:
            scaled[rows] = (frames[rows] - mean) / scale  # at most sqrt(F): float16 holds that
    return replace(features, frames=scaled, stored=None)


def _chunks(frames: NDArray[Any], parts: Sequence[_Rows]) -> Iterator[NDArray[np.float64]]:
    for rows in parts:
        yield frames[rows].astype(np.float64)
