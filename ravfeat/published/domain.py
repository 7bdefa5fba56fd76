"""Out-of-domain score: how far the mean features of a clip lie from those of the training clips, as root mean square z.

Conventions
-----------
Axes: N clips, L layers that the head's system reads, D dimensions. What is compared is the mean of a clip's features
over time, layer by layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from ravfeat.cache import Cache
from ravfeat.documents import check_value
from ravfeat.errors import HeadError, UsageError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.statistics import clip_statistics
from ravfeat.files import replace_file
from ravfeat.heads.arrays import ArrayKind, largest_file, read_arrays
from ravfeat.heads.base import Model
from ravfeat.heads.recipe import Layers
from ravfeat.published.format import HEAD_FILE, REMEDY, HeadFolder, domain_file
from ravfeat.published.parts import Need, Source

__all__ = [
    "MEANS", "Domain", "Moments", "Rows", "clip_means", "distances", "fit_domain", "moments_of", "pooled_means",
    "read_domain", "write_domain",
]  # fmt: skip

Rows = NDArray[np.int64]

_PERCENTILES = 101  # 0 (the smallest), 1 … 100 (the largest)

_LIMIT = 99
"""Percentile of the validation clips above which a clip is called unlike the training clips."""

_RESOLUTION = 2.0**-11
"""Of float16, relative: a smaller spread is that of rounding."""


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation over training clips.

    Attributes
    ----------
    mean, std : ndarray of shape (L, D), float32
        A standard deviation of 0 stands for a dimension that the training clips do not tell apart.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


@dataclass(frozen=True)
class Domain:
    """What the features of training clips were like, for every set of heads.

    Attributes
    ----------
    moments : mapping of (int or "refit") to Moments
    percentiles : ndarray of shape (101,), float32
        Of the distances of validation clips, of all folds together; each by the moments of clips that it is not among.
    """

    moments: Mapping[Source, Moments]
    percentiles: NDArray[np.float32]

    def distance(self, source: Source, pooled_mean: NDArray[np.floating]) -> float:
        """Say how unlike the training clips a clip is; see `distances`.

        Parameters
        ----------
        source : int or "refit"
            Whose training clips: those of a fold's heads, or of the heads that learned from all actors.
        pooled_mean : ndarray of shape (L, D)
            Mean over time of the clip's features, of the layers that the system reads; `clip_means` gives it of a
            cache, `pooled_means` of features in memory.

        Returns
        -------
        float
            About 1 for a clip like those of the training.

        Raises
        ------
        HeadError
            For features of another shape.
        UsageError
            For a source that the head does not have.
        """
        if source not in self.moments:
            raise UsageError(
                f"no training clips of {source!r} are known; choose from {', '.join(map(repr, self.moments))}"
            )
        moments = self.moments[source]
        if pooled_mean.shape != moments.mean.shape:
            raise HeadError(
                f"the mean features have shape {pooled_mean.shape}, expected {moments.mean.shape} (layers, dimensions);"
                " give those of the encoder and layers that the head reads"
            )
        return float(distances(pooled_mean[None], moments)[0])

    def limit(self, source: Source) -> float:
        """Give the distance above which a clip is unlike what heads have learned from: 1 of 100 validation clips is.

        It is the same for all sources: each has few validation clips of its own, or none.
        """
        return float(self.percentiles[_LIMIT])


def distances(means: NDArray[np.floating], moments: Moments) -> NDArray[np.float64]:
    """Give the root mean square z of clips: sqrt(mean over layers and dimensions of ((x - mean) / std)²).

    Dimensions without spread are left out: there is no scale to say how much a difference in them is, and an
    infinite one would call every clip unlike for the rounding of another device. The other dimensions tell.

    Parameters
    ----------
    means : ndarray of shape (N, L, D)
    moments : Moments

    Returns
    -------
    ndarray of shape (N,), float64
        NaN where no dimension has a spread; infinite where a clip's means are not finite.
    """
    varies = moments.std > 0
    if not varies.any():
        return np.full(len(means), np.nan)
    mean, std = moments.mean[varies].astype(np.float64), moments.std[varies].astype(np.float64)
    with np.errstate(all="ignore"):  # what overflows is infinitely far away
        # Clip by clip: a double-precision copy of all of them is not needed.
        scores = np.array([np.sqrt(np.mean(np.square((x[varies] - mean) / std))) for x in means], np.float64)
    return np.where(np.isfinite(scores), scores, np.inf)


MEANS = Reading(statistics=("mean",))
"""What is compared of a clip; pooled caches hold it."""


def pooled_means(features: ClipFeatures) -> NDArray[np.float32]:
    """Give the mean over time of every clip, shape (N, L, D), of features that were read or narrowed by `MEANS`."""
    return clip_statistics(features, MEANS.statistics)[:, :, 0]


def clip_means(cache: Cache, clip_ids: Sequence[str], layers: Sequence[int] | None) -> NDArray[np.float32]:
    """Read the mean over time of clips in a cache, shape (N, L, D).

    Raises
    ------
    CacheError
        For clips or layers that are not stored, or a pooled cache without means.
    """
    return pooled_means(load_features(cache, clip_ids, MEANS, layers=layers))


def fit_domain(
    means: NDArray[np.float32], train: Mapping[Source, Rows], held_out: Sequence[tuple[Rows, Rows]]
) -> Domain | None:
    """Learn what training clips are like, and how far from that held-out clips are.

    Parameters
    ----------
    means : ndarray of shape (N, L, D)
    train : mapping of (int or "refit") to ndarray of int64
        Rows of each source.
    held_out : sequence of (train, val)
        Rows to take moments of, and rows that are compared with these.

    Returns
    -------
    Domain or None
        None where nothing is held out, or nothing varies.
    """
    pairs = [(rows, val) for rows, val in held_out if len(rows) and len(val)]
    moments = moments_of(means, [*train.values(), *(rows for rows, _ in pairs)])
    scores = [distances(means[val], held) for (_, val), held in zip(pairs, moments[len(train) :], strict=True)]
    if not scores or not np.isfinite(pooled := np.concatenate(scores)).all():
        return None
    percentiles = np.percentile(pooled, np.linspace(0, 100, _PERCENTILES)).astype(np.float32)
    return Domain(dict(zip(train, moments, strict=False)), percentiles)


def moments_of(means: NDArray[np.float32], sets: Sequence[Rows]) -> list[Moments]:
    """Give mean and standard deviation over several sets of clips, which may overlap.

    Parameters
    ----------
    means : ndarray of shape (N, L, D)
    sets : sequence of ndarray of int64
        Rows of each; at least one.
    """
    center = means.mean(0, dtype=np.float64)  # sums around it keep their digits
    member = np.stack([np.isin(np.arange(len(means)), rows) for rows in sets])  # (S, N)
    # Clips that are in the same sets are summed once: folds share most of their clips.
    cells, cell_of = np.unique(member, axis=1, return_inverse=True)
    total, squares = (np.zeros((cells.shape[1], *center.shape)) for _ in range(2))
    for x, cell in zip(means, cell_of.ravel(), strict=True):
        apart = x - center
        total[cell] += apart
        squares[cell] += apart**2
    return [
        _moments(len(rows), center, total[inside].sum(0), squares[inside].sum(0))
        for rows, inside in zip(sets, cells, strict=True)
    ]


def _moments(n: int, center: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]) -> Moments:
    mean = center + total / n
    std = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
    # What varies less than float16 resolves is rounding, and must not be blown up.
    std = np.where(std > _RESOLUTION * np.abs(mean), std, 0)
    return Moments(mean.astype(np.float32), std.astype(np.float32))


def write_domain(folder: Path, fingerprint: str, domain: Domain) -> None:
    """Write the domain of a cache into the folder of a head."""
    arrays = {"percentiles": domain.percentiles}
    for source, moments in domain.moments.items():
        arrays |= {f"{source}.mean": moments.mean, f"{source}.std": moments.std}
    path = folder / domain_file(fingerprint)
    path.parent.mkdir(exist_ok=True)
    replace_file(path, save(arrays))


def read_domain(folder: HeadFolder, need: Need, place: int, model: Model, sources: Sequence[Source]) -> Domain | None:
    """Read the domain of a cache; None where the head does not say.

    Parameters
    ----------
    folder : HeadFolder
    need : Need
    place : int
        Of the cache among those that the system reads.
    model : Model
        Any of the system, which knows the width of its features.
    sources : sequence of (int or "refit")
        All that the head has.

    Raises
    ------
    HeadError
        For a damaged file, other arrays, numbers that are not finite, or that are no such statistics.
    """
    name = domain_file(need.fingerprint)
    if name not in folder.document["files"]:
        return None
    path, shape = folder.path / name, _shape(folder, need, place, model)
    kinds = {f"{source}.{what}": ArrayKind(shape) for source in sources for what in ("mean", "std")}
    kinds["percentiles"] = ArrayKind((_PERCENTILES,))
    arrays = read_arrays(folder.read(path, largest_file(kinds)), kinds, str(path))
    if negative := [name for name in kinds if name.endswith(".std") and (arrays[name] < 0).any()]:
        raise HeadError(f"{path}: '{negative[0]}' has numbers below 0, and is a standard deviation; {REMEDY}")
    percentiles = arrays["percentiles"]
    if percentiles[0] < 0 or (np.diff(percentiles) < 0).any():
        raise HeadError(f"{path}: 'percentiles' do not ascend from 0 or more; {REMEDY}")
    return Domain(
        {source: Moments(arrays[f"{source}.mean"], arrays[f"{source}.std"]) for source in sources}, percentiles
    )


def _shape(folder: HeadFolder, need: Need, place: int, model: Model) -> tuple[int, int]:
    """Give L and D of one of the caches that a system reads."""
    where = f"{folder.path / HEAD_FILE}: identity.layers of '{need.encoder}'"
    held: list[int] = check_value(need.identity.get("layers"), Layers, where, HeadError, REMEDY)
    n_layers = len(held if need.layers is None else need.layers)
    recipe = model.recipe
    if "blocks" in recipe:  # all layers of each cache side by side
        return n_layers, int(recipe["blocks"][place]) // n_layers
    return n_layers, int([recipe["dim"], *recipe.get("also_dims", ())][place])
