"""Pool the clips of a cache to arrays for scikit-learn: rows, classes, speakers."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ravfeat.api.arguments import Many, as_layers, as_names
from ravfeat.cache.reader import Cache
from ravfeat.corpora.where import Where
from ravfeat.errors import UsageError
from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import Reading
from ravfeat.features.layers import parse_layers
from ravfeat.features.load import check_reading, load_features
from ravfeat.features.statistics import clip_statistics
from ravfeat.manifest import is_unknown
from ravfeat.numerics.parts import is_statistic
from ravfeat.numerics.pooling import STATISTICS

__all__ = ["Arrays", "clips_where", "gather_arrays"]


@dataclass(frozen=True, repr=False, eq=False)
class Arrays:
    """Pooled features of N clips; unpacks to ``X, y, groups, clip_ids``.

    Attributes
    ----------
    X : ndarray of shape (N, D'), float32
        Layer after layer, and in each statistic after statistic.
    y : ndarray of shape (N,), int64
        Places in `classes`.
    groups : ndarray of shape (N,), of texts
        Whose clip it is: give it to the splitter (``GroupKFold``), or you measure how well a model knows the speakers.
    clip_ids : ndarray of shape (N,), of texts
    classes : tuple of str
        The labels of these clips, in the order of the corpus.
    feature_names : tuple of str
        Of the columns: ``layer 6 mean 0``, or with what the encoder calls its dimensions.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    groups: NDArray[np.str_]
    clip_ids: NDArray[np.str_]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.X, self.y, self.groups, self.clip_ids))

    def __repr__(self) -> str:
        n, width = self.X.shape
        return f"<Arrays: {n} clips, {width} features, {len(self.classes)} classes, {len(set(self.groups))} speakers>"


def gather_arrays(
    cache: Cache, table: pa.Table, *, layers: str | int | Iterable[int] | None, pool: Many[str], where: str | None
) -> Arrays:
    """Pool the clips of a cache; see `ravfeat.api.cache.Cache.arrays`.

    Parameters
    ----------
    cache : Cache
    table : pyarrow.Table
        A row for each of its clips, in their order.
    layers, pool, where
        As there.
    """
    statistics = _statistics(pool)
    check_reading(cache, Reading(statistics=statistics))
    numbers = parse_layers(as_layers(layers), cache.layers) or cache.layers
    table = clips_where(table, where)
    clip_ids = table["clip_id"].to_pylist()
    present = set(table["label"].to_pylist())
    classes = tuple(name for name in cache.classes if name in present)
    places = {name: place for place, name in enumerate(classes)}
    records = cache.records(clip_ids)
    speakers = [records[clip_id].actor for clip_id in clip_ids]
    if unknown := sum(map(is_unknown, speakers)):
        warnings.warn(
            f"nobody knows who speaks in {unknown} of {len(speakers)} clips: each counts as a group of its own, and"
            " what you measure is UNCHECKED; leave them out, or name the speakers when you extract",
            stacklevel=3,
        )
    return Arrays(
        _rows(cache, clip_ids, numbers, statistics),
        np.array([places[label] for label in table["label"].to_pylist()], np.int64),
        np.array(speakers),
        np.array(clip_ids),
        classes,
        tuple(
            f"layer {layer} {statistic} {name}"
            for layer in numbers for statistic in statistics for name in _dimensions(cache)
        ),
    )  # fmt: skip


def clips_where(table: pa.Table, where: str | None) -> pa.Table:
    """Keep the clips of a table that a condition is true of.

    Raises
    ------
    UsageError
        For what is no condition, and where no clip is left.
    """
    if where is None:
        return table
    if not isinstance(where, str):
        raise UsageError(f"where={where!r:.60}: expected a text such as \"label != 'calm'\"")
    kept = table.filter(pa.array(Where.parse(where).rows(table)))
    if not kept.num_rows:
        raise UsageError(f'where="{where}": no clip of {table.num_rows} is left')
    return kept


def _statistics(pool: Many[str]) -> tuple[str, ...]:
    names = tuple(part.strip() for name in as_names("pool", pool) for part in name.split("+"))
    if wrong := [name for name in names if not is_statistic(name)]:
        raise UsageError(f"pool: no statistic '{wrong[0]}'; choose from {', '.join(STATISTICS)}, such as mean+std")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"pool: expected every statistic once, got {'+'.join(names) or 'none'}")
    return names


def _rows(
    cache: Cache, clip_ids: Sequence[str], layers: Sequence[int], statistics: tuple[str, ...]
) -> NDArray[np.float32]:
    """Read layer by layer, so that no more than one lies in memory twice."""
    width = len(statistics) * len(_dimensions(cache))
    rows = allocate_array((len(clip_ids), len(layers), width), np.float32)
    for place, layer in enumerate(layers):
        features = load_features(cache, clip_ids, Reading(statistics=statistics), layers=[layer])
        rows[:, place] = clip_statistics(features, statistics)[:, 0].reshape(len(clip_ids), width)
    return rows.reshape(len(clip_ids), -1)


def _dimensions(cache: Cache) -> tuple[str, ...]:
    """Name the encoder's own dimensions; a pooled cache has a block of them for each of its statistics."""
    blocks = max(1, len(cache.statistics))
    if not cache.feature_names:
        return tuple(map(str, range(cache.dim // blocks)))
    own = cache.feature_names[: cache.dim // blocks]
    return tuple(name.removeprefix(f"{cache.statistics[0]} of ") for name in own) if cache.statistics else own
