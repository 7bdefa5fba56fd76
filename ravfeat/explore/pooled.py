"""Pooled features of some clips of a cache, one vector per clip and layer, as all pictures of features need them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.explore.listing import Listing
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.numerics.rounding import evenly

__all__ = ["MOST_LAYERS", "Pooled", "cache_rows", "drawn", "pool_clips", "standardised"]

MOST_LAYERS = 9
_SEED = 0


@dataclass(frozen=True)
class Pooled:
    """Pooled features of N clips.

    Attributes
    ----------
    rows : ndarray of shape (N,), int64
        Places of the clips in the listing, sorted.
    features : ClipFeatures
        One frame per clip.
    statistics : tuple of str
        What was pooled.
    """

    rows: NDArray[np.int64]
    features: ClipFeatures
    statistics: tuple[str, ...]

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that were read."""
        return self.features.layers

    def vectors(self, layer: int) -> NDArray[np.float32]:
        """Give the vectors of one layer, every dimension with mean 0 and standard deviation 1; shape (N, D)."""
        return standardised(self.features.frames[:, self.layers.index(layer)].astype(np.float32))

    def of_layer(self, layer: int) -> ClipFeatures:
        """Give the features of one layer, as heads read them."""
        position = self.layers.index(layer)
        return replace(self.features, frames=self.features.frames[:, position : position + 1], layers=(layer,))


def standardised(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring every dimension of vectors to mean 0 and standard deviation 1; shape (N, D)."""
    spread = x.std(0)
    # A dimension that never changes tells nothing, and must not be blown up to noise.
    return np.asarray((x - x.mean(0)) / np.where(spread > 1e-6 * np.abs(x).max(initial=1e-30), spread, np.inf))


def cache_rows(cache: Cache, listing: Listing) -> NDArray[np.int64]:
    """Rows of a listing whose clips a cache holds."""
    return np.array([row for row, clip_id in enumerate(listing.columns["clip_id"]) if clip_id in cache], np.int64)


def drawn(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Draw at most so many rows, the same ones every time; sorted."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def pool_clips(cache: Cache, listing: Listing, rows: NDArray[np.int64], layers: Sequence[int] | None = None) -> Pooled:
    """Read clips of a cache, pooled over time.

    Parameters
    ----------
    cache : Cache
    listing : Listing
    rows : ndarray of int64
        Places of the clips in the listing.
    layers : sequence of int, optional
        Default at most `MOST_LAYERS` of all, evenly.

    Raises
    ------
    ShardError
        Where one of them is damaged.
    """
    stored = cache.statistics
    statistics = tuple(name for name in ("mean", "std") if name in stored) or stored or ("mean", "std")
    if layers is None:
        layers = [cache.layers[place] for place in evenly(len(cache.layers), MOST_LAYERS)]
    ids = [listing.columns["clip_id"][row] for row in rows]
    return Pooled(rows, load_features(cache, ids, Reading(statistics=statistics), layers=layers), statistics)
