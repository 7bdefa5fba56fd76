"""Read features from npz files: ``names`` (N,), ``offsets`` (N + 1,) and a feature array (F, ...).

Clip ``i`` has the rows ``offsets[i]`` to ``offsets[i + 1]``. Without ``offsets`` there is one row per
clip; without ``names`` the file is one clip with the file's name. Arrays of Python objects are never
loaded: unpickling them could run any code.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CorpusError, MediaError
from ravfeat.importers.base import ImportedClip, Rows, mean_rate_hz
from ravfeat.importers.file_cache import FileCache
from ravfeat.importers.input_files import FeaturePaths
from ravfeat.importers.npz_layout import BROKEN, NpzLayout, read_layout

__all__ = ["NpzFiles"]

_Arrays = Mapping[str, NDArray[Any]]


class NpzFiles:
    """npz files of one layout; see `ravfeat.importers.base.FeatureFiles`.

    Parameters
    ----------
    files : FeaturePaths
    array : str, optional
        Name of the feature array; None takes the only candidate.

    Raises
    ------
    CorpusError
        Where a file is damaged, holds objects, contradicts itself, or has another layout than the first.
    UsageError
        Where ``array`` names no array of features, or is None and there are several.
    """

    def __init__(self, files: FeaturePaths, array: str | None = None) -> None:
        self._root = files.root
        self._layouts = {name: read_layout(files.root / name, name, array) for name in files.names}
        first, of_first = next(iter(self._layouts.items()))
        for name, layout in self._layouts.items():
            _check_alike(files.root, first, of_first, name, layout)
        self.kind = files.kind
        self.array = of_first.array
        self.shape = of_first.shape
        self.timed = of_first.timed
        self.named = of_first.named
        self.facts = frozenset(of_first.facts)
        self.clips = tuple(clip for name, layout in self._layouts.items() for clip in _clips(name, layout))
        self._arrays = FileCache(self._load, lambda arrays: sum(array.nbytes for array in arrays.values()))

    def read(self, clip: ImportedClip) -> Rows:
        """Read the rows of one clip."""
        layout, arrays = self._layouts[clip.file], self._arrays(clip.file)
        rows = slice(*layout.offsets[clip.position : clip.position + 2])
        facts = {fact: arrays[name][rows].astype(np.float64) for fact, name in layout.facts.items()}
        # A flag, whether it was stored as a number or a bool.
        if "found" in facts:
            facts["found"] = (facts["found"] > 0).astype(np.float64)
        return Rows(arrays[layout.array][rows], facts)

    def _load(self, name: str) -> _Arrays:
        layout = self._layouts[name]
        try:
            with np.load(self._root / name, allow_pickle=False) as arrays:
                # The other arrays of a file may be large, and are not decompressed.
                return {array: arrays[array] for array in (layout.array, *layout.facts.values())}
        except (*BROKEN, KeyError) as error:
            raise MediaError(f"{self._root / name} cannot be read ({error}); make it again") from error


def _clips(name: str, layout: NpzLayout) -> Iterator[ImportedClip]:
    for position, clip in enumerate(layout.names):
        start, stop = map(int, layout.offsets[position : position + 2])
        rate_hz = None if layout.times_s is None else mean_rate_hz(layout.times_s[start:stop])
        yield ImportedClip(clip, name, position, stop - start, rate_hz)


def _check_alike(root: Path, first: str, of_first: NpzLayout, name: str, layout: NpzLayout) -> None:
    for key in ("array", "shape", "timed", "named"):
        if getattr(layout, key) != getattr(of_first, key):
            raise CorpusError(
                f"{root / name} and {root / first} differ: '{layout.array}' has {key} {getattr(layout, key)} in one,"
                f" '{of_first.array}' has {getattr(of_first, key)} in the other; import them one by one"
            )
    if set(layout.facts) != set(of_first.facts):
        raise CorpusError(
            f"{root / name} says {sorted(layout.facts)} of every row, {root / first} says {sorted(of_first.facts)};"
            " import them one by one"
        )
