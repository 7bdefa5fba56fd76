"""Draw clips in two dimensions by their pooled features (t-SNE), so that a picture shows what lies near what.

van der Maaten & Hinton (2008), "Visualizing data using t-SNE", JMLR 9; scikit-learn's implementation, on the first 50
principal components. Distances between far points and sizes of clusters mean nothing.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import MissingExtraError
from ravfeat.explore.listing import Listing
from ravfeat.explore.pooled import Pooled

__all__ = ["MOST_CLIPS", "Embedding", "embed", "neighbour_shares", "principal_components"]

MOST_CLIPS = 3000
_COMPONENTS, _PERPLEXITY, _SEED, _NEAREST = 50, 30.0, 0, 10
_LEAST = 6
_BLOCK = 1024


@dataclass(frozen=True)
class Embedding:
    """N clips in the plane.

    Attributes
    ----------
    layer : int
    points : ndarray of shape (N, 2), float64
    rows : ndarray of shape (N,), int64
        Places of the clips in the listing.
    same_label, same_actor : float
        Among the ten nearest clips of a clip, in the features themselves: the share that has its label, its actor.
    label_by_chance, actor_by_chance : float
        What these shares were if clips lay anywhere.
    """

    layer: int
    points: NDArray[np.float64]
    rows: NDArray[np.int64]
    same_label: float
    same_actor: float
    label_by_chance: float
    actor_by_chance: float


def embed(listing: Listing, pooled: Pooled, layer: int) -> Embedding | None:
    """Embed the clips by one layer; None for fewer than 6 clips, and where all are the same.

    Raises
    ------
    MissingExtraError
        Where scikit-learn is not installed.
    """
    x = principal_components(pooled.vectors(layer), _COMPONENTS)
    if len(x) < _LEAST or not x.size or not np.any(x):
        return None
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError(str(error.name), "heads") from error
    perplexity = min(_PERPLEXITY, (len(x) - 1) / 3)
    # One thread: many wait for each other at every step, and cost ten times the processor time on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a picture that is not quite settled is still one
        tsne = TSNE(perplexity=perplexity, init="pca" if x.shape[1] > 1 else "random", random_state=_SEED)
        plane = tsne.fit_transform(x)
    label, actor = (
        np.array([values[row] for row in pooled.rows], object) for values in (listing.labels, listing.actors)
    )
    same_label, same_actor = neighbour_shares(x, label, actor)
    points = np.asarray(plane, np.float64)
    return Embedding(layer, points, pooled.rows, same_label, same_actor, _by_chance(label), _by_chance(actor))


def principal_components(x: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Project centred rows on their first principal components, signs fixed; shape (N, at most n)."""
    left, sizes, right = np.linalg.svd(x - x.mean(0), full_matrices=False)
    kept = sizes[:n] > 1e-5 * max(float(sizes[0]), 1e-30)
    signs = np.sign(right[: len(kept)][np.arange(len(kept)), np.abs(right[: len(kept)]).argmax(1)])
    return np.asarray((left[:, : len(kept)] * (sizes[:n] * signs))[:, kept], np.float32)


def neighbour_shares(x: NDArray[np.float32], *values: NDArray[np.object_]) -> list[float]:
    """Among the ten nearest rows of every row, the share that has its value; for each column of values."""
    n = min(_NEAREST, len(x) - 1)
    squares, hits = (x**2).sum(1), np.zeros(len(values))
    for start in range(0, len(x), _BLOCK):
        own = np.arange(start, min(start + _BLOCK, len(x)))
        distances = squares - 2 * x[own] @ x.T
        distances[np.arange(len(own)), own] = np.inf
        nearest = np.argpartition(distances, n - 1, axis=1)[:, :n]
        hits += [(column[nearest] == column[own, None]).sum() for column in values]
    return [float(count) for count in hits / (n * len(x))]


def _by_chance(values: NDArray[np.object_]) -> float:
    counts = np.unique(values.astype(str), return_counts=True)[1].astype(float)
    n = counts.sum()
    return float((counts * (counts - 1)).sum() / (n * (n - 1)))
