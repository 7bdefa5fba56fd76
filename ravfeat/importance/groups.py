"""Groups of a head's inputs: layers, statistics, streams, concatenated caches, and features that have names.

Conventions
-----------
Axes: F frames, L layers, C columns. A column is a dimension of one statistic; in pooled features the statistics lie one
after another, each D wide. Stream 0 is the features themselves, further ones are those beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.runs.importance_file import GroupKind

__all__ = ["Cells", "Group", "groups_of"]

_MOST_ALONE = 40
"""Named features beyond these are grouped by the first part of their names: ``F0semitoneFrom27.5Hz``, ``mfcc1``."""


@dataclass(frozen=True)
class Cells:
    """Some layers (by position) and columns of one stream."""

    stream: int
    layers: tuple[int, ...]
    columns: NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Inputs that are shuffled together.

    Attributes
    ----------
    kind : str
        Groups of one kind part the inputs; ``all`` is everything at once.
    name : str
    cells : tuple of Cells
    """

    kind: GroupKind
    name: str
    cells: tuple[Cells, ...]


def groups_of(features: ClipFeatures, system: CacheSystem, layers: Sequence[Sequence[int]]) -> list[Group]:
    """Part the inputs of a system in every way that has more than one part, and give all of them as one group.

    Parameters
    ----------
    features : ClipFeatures
        As the head reads them.
    system : CacheSystem
    layers : sequence of sequence of int
        Of each cache, the layers that are read.
    """
    streams = [features, *features.also]
    whole = [_whole(stream, number) for number, stream in enumerate(streams)]
    found = [Group("all", "all inputs", tuple(whole))]
    if len(streams) > 1:
        names = [f"{cache.about['stream']} {cache.about['encoder']}" for cache in system.caches]
        found += [Group("stream", name, (cells,)) for name, cells in zip(names, whole, strict=True)]
    if features.blocks:
        found += _of_concatenated(features, system.caches, layers)
    else:
        for number, (stream, cache) in enumerate(zip(streams, system.caches, strict=True)):
            found += _of_cache(stream, number, cache, "" if len(streams) == 1 else f"{cache.about['encoder']} ")
    kinds = [group.kind for group in found]
    return [group for group in found if group.kind == "all" or kinds.count(group.kind) > 1]


def _whole(stream: ClipFeatures, number: int) -> Cells:
    n_columns = stream.frames.shape[2]
    return Cells(number, tuple(range(len(stream.layers))), np.arange(n_columns))


def _of_cache(stream: ClipFeatures, number: int, cache: Cache, prefix: str) -> Iterator[Group]:
    whole = _whole(stream, number)
    for position, layer in enumerate(stream.layers):
        yield Group("layer", f"{prefix}layer {layer}", (Cells(number, (position,), whole.columns),))
    n_statistics = max(1, len(stream.statistics))
    by_statistic = whole.columns.reshape(n_statistics, -1)  # (S, D)
    for name, columns in zip(stream.statistics, by_statistic, strict=False):
        yield Group("statistic", f"{prefix}{name}", (Cells(number, whole.layers, columns),))
    for name, dimensions in _named(cache, by_statistic.shape[1]).items():
        yield Group("feature", f"{prefix}{name}", (Cells(number, whole.layers, by_statistic[:, dimensions].ravel()),))


def _of_concatenated(
    features: ClipFeatures, caches: Sequence[Cache], layers: Sequence[Sequence[int]]
) -> Iterator[Group]:
    """Part caches that lie side by side: in every statistic a block each, in which its layers follow each other."""
    columns = _whole(features, 0).columns.reshape(len(features.statistics), -1)
    for name, of_statistic in zip(features.statistics, columns, strict=True):
        yield Group("statistic", name, (Cells(0, (0,), of_statistic),))
    ends = np.cumsum(features.blocks)
    for cache, numbers, block in zip(caches, layers, np.split(columns, ends[:-1], axis=1), strict=True):
        encoder = str(cache.about["encoder"])
        yield Group("cache", encoder, (Cells(0, (0,), block.ravel()),))
        by_layer = block.reshape(len(block), len(numbers), -1)  # (S, L, D)
        for position, layer in enumerate(numbers if len(numbers) > 1 else ()):
            yield Group("layer", f"{encoder} layer {layer}", (Cells(0, (0,), by_layer[:, position].ravel()),))
        for name, dimensions in _named(cache, by_layer.shape[2]).items():
            yield Group("feature", f"{encoder} {name}", (Cells(0, (0,), by_layer[:, :, dimensions].ravel()),))


def _named(cache: Cache, dim: int) -> dict[str, list[int]]:
    """Give the dimensions of every named feature, or of every family of them where they are many."""
    names = list(cache.feature_names[:dim])
    if len(names) < dim:  # nothing is known of them
        return {}
    if cache.statistics:  # the names of a pooled cache are those of each of its statistics
        names = [name.removeprefix(f"{cache.statistics[0]} of ") for name in names]
    if len(names) > _MOST_ALONE:
        names = [name.partition("_")[0] or name for name in names]
    dimensions: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        dimensions.setdefault(name, []).append(number)
    return dimensions
