"""The clips of one training step, by length, in groups that are padded to their longest.

Conventions
-----------
Axes: B clips, C clips of a group, T windows of its longest, R = C * T.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.windows import Group, Windows

__all__ = ["StepClips", "by_length"]

GROUP_FLOATS = 1 << 20
"""Numbers that a group holds on a processor, whose caches should hold them; a GPU's are in `Windows.group_floats`."""

SIDE_BY_SIDE = 4
"""Groups that there are at least, where whole groups are worked on side by side."""


@dataclass(frozen=True)
class StepClips:
    """Clips of one step in every stream.

    Attributes
    ----------
    rows : ndarray of shape (B,), int64
        In the order of the groups.
    places : Tensor of shape (B,), int64
        `rows` once more.
    groups : tuple of tuple of Group
        Of every stream.
    """

    rows: NDArray[np.int64]
    places: Tensor
    groups: tuple[tuple[Group, ...], ...]

    @classmethod
    def of(cls, windows: Windows, rows: NDArray[np.int64], *, layers_at_once: bool = False) -> "StepClips":
        """Group clips that are in order already; see `by_length`.

        Parameters
        ----------
        windows : Windows
        rows : ndarray of shape (B,), int64
        layers_at_once : bool
            All layers of a group are held together, and groups are worked on side by side.
        """
        places = torch.from_numpy(np.ascontiguousarray(rows)).to(windows.device)
        return cls(
            rows, places, tuple(_groups(stream, rows, layers_at_once=layers_at_once) for stream in windows.streams)
        )


def by_length(windows: Windows, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order rows by their length in the first stream, longest first; equally long ones stay as they were."""
    return rows[np.argsort(-windows.clip_lengths[rows], kind="stable")]


def _groups(windows: Windows, rows: NDArray[np.int64], *, layers_at_once: bool) -> tuple[Group, ...]:
    cpu = windows.device.type == "cpu"
    at_most = GROUP_FLOATS if cpu else windows.group_floats
    per_window = windows.dim * (len(windows.layers) if layers_at_once else 1)
    lengths = windows.clip_lengths[rows]
    total = int(lengths.sum()) * per_window
    n_groups = max(math.ceil(total / at_most), SIDE_BY_SIDE if layers_at_once and cpu else 1)
    # Nearly as many windows in every group: a longest clip may stand alone.
    ends = np.searchsorted(lengths.cumsum(), np.arange(1, n_groups) * lengths.sum() / n_groups) + 1
    # Unique, because one long clip may hold two of these ends, and no group may be empty.
    bounds = np.unique([0, *np.minimum(ends, len(rows)), len(rows)])
    return tuple(
        _group(windows, slice(int(start), int(stop)), rows[start:stop], lengths[start:stop])
        for start, stop in pairwise(bounds)
    )


def _group(windows: Windows, clips: slice, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> Group:
    steps = np.arange(lengths.max())
    # Padding repeats the clip's own last window; attention gives it no weight.
    index = windows.clip_starts[rows][:, None] + np.minimum(steps, lengths[:, None] - 1)  # (C, T)
    padding = None
    if lengths.min() < lengths.max():
        padding = torch.from_numpy((steps >= lengths[:, None])[:, None]).to(windows.device)
    # The index lies where the windows are stored (maybe main memory), the mask where they are computed with.
    flat = torch.from_numpy(index.reshape(-1)).to(windows.means.device)
    places = torch.from_numpy(np.ascontiguousarray(rows)).to(windows.device)
    return Group(clips, _ints(rows), _ints(lengths), places, flat, padding)


def _ints(values: Sequence[int] | NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
