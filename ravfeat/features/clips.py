"""The arrays that a head reads: frames of N clips with their offsets, layers and statistics.

Conventions
-----------
Axes: N clips, F frames of all clips one after another, L layers, D dimensions.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.on_disk import StoredFrames
from ravfeat.numerics.parts import reads_active
from ravfeat.short_repr import short_repr

__all__ = ["ClipFeatures", "Reading"]


@dataclass(frozen=True)
class Reading:
    """What a head needs of a cache, so that no more is held in memory.

    Attributes
    ----------
    window : int
        Encoder frames that may be averaged to one.
    statistics : tuple of str
        Names of statistics, of the whole clip or of a part (`ravfeat.numerics.parts.of_parts`), where these are all
        the head reads; empty where it reads frames.
    also : tuple of Reading
        Of a head that reads several streams: what it needs of each further cache; empty where that is the same.
    """

    window: int = 1
    statistics: tuple[str, ...] = ()
    also: tuple["Reading", ...] = ()

    @property
    def active(self) -> bool:
        """Whether the speech-active part of a clip is read, of any stream."""
        return any(reads_active(reading.statistics) for reading in (self, *self.also))

    def of_stream(self, number: int) -> "Reading":
        """Give what is read of one of several caches, from 0; the last that is named holds for all after it."""
        return self.also[min(number, len(self.also)) - 1] if number and self.also else replace(self, also=())


@short_repr
@dataclass(frozen=True)
class ClipFeatures:
    """Features of N clips in memory.

    Attributes
    ----------
    frames : ndarray of shape (F, L, D), float16 or float32
        Frames of all clips, clip after clip. In a pooled cache every clip has one frame.
    offsets : ndarray of shape (N + 1,), int64
        Clip ``i`` owns ``frames[offsets[i]:offsets[i + 1]]``.
    layers : tuple of int, length L
        The encoder's layer number of each entry of the layer axis.
    statistics : tuple of str
        Empty for frames. For a pooled cache the names of the statistics that lie one after
        another in the last axis, e.g. ``("mean", "std")``, each D / len(statistics) wide.
    window : int
        Encoder frames that were averaged to one frame already.
    blocks : tuple of int
        Empty for the features of one cache. Where several were concatenated, the width that each has
        within every statistic, in their order.
    also : tuple of ClipFeatures
        Further streams of the same clips, in the same order, for heads that read several.
    stored : StoredFrames or None
        The frames where they stay on the disk; ``frames`` is then of shape (0, L, D).
    """

    frames: NDArray[Any]
    offsets: NDArray[np.int64]
    layers: tuple[int, ...]
    statistics: tuple[str, ...] = ()
    window: int = 1
    blocks: tuple[int, ...] = ()
    also: tuple["ClipFeatures", ...] = ()
    stored: StoredFrames | None = None

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.offsets) - 1
