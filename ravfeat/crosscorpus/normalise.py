"""Standardise the features of a corpus by its own mean and standard deviation, without looking at a label.

A shift or a scale that all clips of a corpus share (a microphone, a room, a codec) is gone then. What is known of
the test corpus in doing so is its unlabelled clips, all of them at once: the result is *transductive*, and says
nothing about a single clip that comes alone.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import in_memory, stack_features

__all__ = ["stacked", "standardised"]

_CHUNK = 4096  # frames; keeps the double-precision copies small


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
    frames = in_memory(features).frames
    mean = sum(chunk.sum(0) for chunk in _chunks(frames)) / len(frames)  # (L, D)
    # A second pass, around the mean and in float64, so that a large mean costs no digits.
    variance = sum(((chunk - mean) ** 2).sum(0) for chunk in _chunks(frames)) / len(frames)
    # Rounding leaves a constant a spread of almost nothing; divided by that it would be noise of size 1.
    varies = frames.max(0) > frames.min(0)
    scale = np.where(varies, np.sqrt(variance), np.inf)
    # Layers outermost in memory, as `load_features` gives them.
    scaled = allocate_array((frames.shape[1], len(frames), frames.shape[2]), frames.dtype).transpose(1, 0, 2)
    for start in range(0, len(frames), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        scaled[chunk] = (frames[chunk] - mean) / scale  # at most sqrt(F): float16 holds that
    return replace(features, frames=scaled, stored=None)


def _chunks(frames: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(frames), _CHUNK):
        yield frames[start : start + _CHUNK].astype(np.float64)


def stacked(first: ClipFeatures, second: ClipFeatures) -> ClipFeatures:
    """Put the clips of two corpora after each other.

    Raises
    ------
    HeadError
        Where they were not read alike.
    """
    alike = (first.layers, first.statistics, first.window, first.frames.shape[1:])
    other = (second.layers, second.statistics, second.window, second.frames.shape[1:])
    if alike != other:
        raise HeadError(
            f"features of two corpora must be read alike (layers, statistics, window, shape), got {alike} and {other}"
        )
    return stack_features([first, second])
