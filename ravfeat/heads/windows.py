"""Frames of many clips on one device, averaged over windows, and batches of them.

Conventions
-----------
Axes: L layers, F windows of all clips one after another, D dimensions, H heads, B clips of a
batch, T windows of a clip. Averaging happens before anything leaves float16: a float32 copy
exists of one batch only. Layers lie outermost, so that pooling a clip's layer is one product of
contiguous matrices.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.on_disk import StoredFrames
from ravfeat.features.statistics import layer_positions, split_statistics
from ravfeat.heads.stacks.moments import Buffers
from ravfeat.heads.stacks.staging import BUFFER_BYTES, Staging
from ravfeat.numerics.pooling import average_frames
from ravfeat.resources import attempt, free_device_memory

__all__ = ["Batch", "Group", "Windows"]

ON_DEVICE = 0.5
"""Share of a GPU's free memory that windows may take; the rest is for what is computed."""

GPU_GROUP_FLOATS = 1 << 30
"""Numbers that a group of clips may hold on a GPU, where there is memory for them."""

_GROUP_BYTES = 24
"""Free bytes for each number of a group: it takes six of them, in float16 and float32, and may fill a quarter."""

_LEAST_GROUP_FLOATS = 1 << 16


@dataclass(frozen=True)
class Batch:
    """Windows of H times B clips, padded to the longest.

    Attributes
    ----------
    means : Tensor of shape (L, H, B, T, D), float32
        Mean of every window; padding repeats the clip's last window.
    variances : Tensor of the same shape, or None
        Variance inside every window, where it is known.
    padding : Tensor of shape (H, B, T), bool
        True where there is no window.
    also : tuple of Batch
        The same clips in further streams.
    """

    means: Tensor
    variances: Tensor | None
    padding: Tensor
    also: tuple["Batch", ...] = ()


@dataclass(frozen=True)
class Group:
    """Clips of nearly one length.

    Attributes
    ----------
    clips : slice
        Which of the step's clips these are.
    rows : tuple of int
        Rows of the windows they are of.
    lengths : tuple of int
        Windows of each.
    places : Tensor of shape (C,), int64
        `rows` once more.
    index : Tensor of shape (R,), int64
        Every window's place, clip after clip; padding repeats a clip's last window.
    padding : Tensor of shape (C, 1, T), bool, or None
        True where there is no window; None where all are of one length.
    """

    clips: slice
    rows: tuple[int, ...]
    lengths: tuple[int, ...]
    places: Tensor
    index: Tensor
    padding: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        """C and T."""
        return len(self.rows), max(self.lengths)


@dataclass(eq=False)
class Windows:
    """Averaged frames of N clips; they may move from a GPU to main memory, but never change.

    Attributes
    ----------
    means : Tensor of shape (L, F, D), float16 or float32
    variances : Tensor of the same shape, or None
    starts, lengths : Tensor of shape (N,), int64
        Clip ``i`` owns windows ``starts[i]`` up to ``starts[i] + lengths[i]``.
    layers : tuple of int, length L
        Encoder layer of every entry of the layer axis.
    also : tuple of Windows
        Further streams of the same clips.
    stored : StoredFrames or None
        The windows where they stay on the disk; `means` is then of shape (L, 0, D).
    at : torch.device or None
        Where to compute, if not where the windows lie.
    group_floats : int
        Numbers that a group of clips may hold on a GPU.
    """

    means: Tensor
    variances: Tensor | None
    starts: Tensor
    lengths: Tensor
    layers: tuple[int, ...]
    also: tuple["Windows", ...] = ()
    stored: StoredFrames | None = None
    at: torch.device | None = None
    group_floats: int = GPU_GROUP_FLOATS

    @cached_property
    def staging(self) -> Staging:
        """Buffers through which windows are sent to the GPU that computes with them."""
        return Staging(self.device)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """Results that are computed once from these windows, by name: all heads of all trainings share them."""
        return {}

    @classmethod
    def of(
        cls,
        features: ClipFeatures,
        *,
        layers: tuple[int, ...] | None,
        window: int,
        device: str | torch.device,
        upload: bool = True,
    ) -> "Windows":
        """Average the frames of all clips and put them on a device.

        A pooled cache gives one window per clip: its mean, and its squared standard deviation as
        the variance inside that window. Of further streams all layers are read.

        Parameters
        ----------
        features : ClipFeatures
        layers : tuple of int, optional
            All by default.
        window : int
            Frames of the encoder that are averaged.
        device : str or torch.device
            Where to compute.
        upload : bool
            Keep the windows on that device if they fit; clips that are read once are better sent when they are.

        Raises
        ------
        HeadError
            If a layer is not in `features`, or a pooled cache has no mean and std.
        """
        keep = layer_positions(features, layers)
        numbers = tuple(features.layers[position] for position in keep)
        if features.stored is not None:
            return cls._of_stored(features, features.stored.only(keep), numbers, window=window, device=device)
        where = torch.device(device if upload else "cpu")
        if features.statistics:
            mean, std = split_statistics(features, ("mean", "std"), keep)
            means, offsets = _layer_major(mean, where), features.offsets
            variances = _layer_major(np.square(std, dtype=np.float32), where)
        else:
            # The settings count encoder frames; some may have been averaged on the way here.
            left = max(1, round(window / features.window))
            all_layers = keep == list(range(len(features.layers)))  # then nothing is copied that is not averaged
            averaged, offsets = average_frames(
                features.frames, features.offsets, left, layers=None if all_layers else keep
            )
            means, variances = _layer_major(averaged, where), None
        starts = torch.from_numpy(np.ascontiguousarray(offsets[:-1], np.int64)).to(device)
        lengths = torch.from_numpy(np.diff(offsets).astype(np.int64)).to(device)
        also = cls._also(features, window=window, device=device, upload=upload)
        group_floats = _group_floats(torch.device(device))
        return cls(means, variances, starts, lengths, numbers, also, None, torch.device(device), group_floats)

    @classmethod
    def _of_stored(
        cls,
        features: ClipFeatures,
        stored: StoredFrames,
        numbers: tuple[int, ...],
        *,
        window: int,
        device: str | torch.device,
    ) -> "Windows":
        if round(window / features.window) > 1:
            raise HeadError(f"frames on the disk are not averaged any more, and the head reads windows of {window}")
        lengths = torch.from_numpy(stored.lengths).to(device)
        # Stored clips are read by row; there is no array that an offset could point into.
        starts = torch.zeros_like(lengths)
        # No frames, but number of layers, width and dtype are read from this array as from any other.
        none = torch.from_numpy(features.frames.transpose(1, 0, 2))[: len(numbers)]
        also = cls._also(features, window=window, device=device, upload=True)
        group_floats = _group_floats(torch.device(device))
        return cls(none, None, starts, lengths, numbers, also, stored, torch.device(device), group_floats)

    @classmethod
    def _also(
        cls, features: ClipFeatures, *, window: int, device: str | torch.device, upload: bool
    ) -> tuple["Windows", ...]:
        streams = features.also
        return tuple(cls.of(stream, layers=None, window=window, device=device, upload=upload) for stream in streams)

    def need_less(self) -> str:
        """Take less of a GPU's memory from now on; say what changed, or nothing where no more can be done."""
        device, streams = self.device, self.streams
        if device.type == "cpu":
            return ""
        if larger := [stream for stream in streams if stream.group_floats > _LEAST_GROUP_FLOATS]:
            for stream in larger:
                stream.group_floats = max(_LEAST_GROUP_FLOATS, stream.group_floats // 16)
            return f"fewer clips at once are on {device}"
        if uploaded := [stream for stream in streams if stream.means.device.type != "cpu"]:
            for stream in uploaded:
                stream._move(device)
            return f"windows are sent to {device} step by step"
        for stream in streams:
            stream._move(torch.device("cpu"))
        return f"one head does not fit into the memory of {device}: training goes on on the processor"

    def _move(self, at: torch.device) -> None:
        """Keep the windows in main memory, and compute with them somewhere."""
        self.at = at
        self.means, self.variances = self.means.cpu(), None if self.variances is None else self.variances.cpu()
        self.starts, self.lengths = self.starts.to(at), self.lengths.to(at)
        if at.type == "cpu":
            self.shared.clear()  # it is where they were computed with before

    @cached_property
    def clip_starts(self) -> NDArray[np.int64]:
        """`starts`, for counting on the processor."""
        return np.asarray(self.starts.cpu().numpy(), np.int64)

    @cached_property
    def clip_lengths(self) -> NDArray[np.int64]:
        """`lengths`, for counting on the processor."""
        return np.asarray(self.lengths.cpu().numpy(), np.int64)

    @property
    def dim(self) -> int:
        """Width D of one layer."""
        return int(self.means.shape[2])

    @property
    def streams(self) -> tuple["Windows", ...]:
        """These windows and those of further streams."""
        return (self, *self.also)

    @property
    def floats_per_clip(self) -> int:
        """Numbers that the longest clip takes, further streams included."""
        floats = int(self.lengths.max()) * len(self.layers) * self.dim
        return floats + sum(stream.floats_per_clip for stream in self.also)

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        return self.means.device if self.at is None else self.at

    def fill(self, layer: int, group: Group, buffers: Buffers, out: Tensor, *, variances: bool = False) -> Tensor:
        """Copy the windows of a group of clips, of one layer, into a buffer, widened to float32.

        Parameters
        ----------
        layer : int
            Position on the layer axis.
        group : Group
        buffers : Buffers
            Room for what is not yet widened.
        out : Tensor of shape (R, D), float32
        variances : bool
            Copy what varies inside the windows instead of their means.
        """
        values = self.variances if variances and self.variances is not None else self.means
        if values.device.type == "cpu" and out.device.type != "cpu":
            return self._send(values, layer, group, out)
        # `index_select` writes one dtype on one device, and a buffer takes what is not yet widened.
        if values.dtype == out.dtype:
            return self._pick(values, layer, group, slice(0, len(group.rows)), out)
        half = buffers.lend("half", *out.shape, dtype=values.dtype, device=values.device)
        return out.copy_(self._pick(values, layer, group, slice(0, len(group.rows)), half))

    def fill_layers(self, group: Group, buffers: Buffers, out: Tensor, *, variances: bool = False) -> Tensor:
        """Copy the windows of a group of clips, of all layers, into a buffer (L, R, D), widened to float32."""
        values = self.variances if variances and self.variances is not None else self.means
        # All layers in one call; from the disk or another device layer by layer, as `fill` does.
        if self.stored is None and values.device == out.device:
            if values.dtype == out.dtype:
                return torch.index_select(values, 1, group.index.to(values.device), out=out)
            half = buffers.lend("half", *out.shape, dtype=values.dtype, device=values.device)
            return out.copy_(torch.index_select(values, 1, group.index.to(values.device), out=half))
        for layer in range(len(out)):
            self.fill(layer, group, buffers, out[layer], variances=variances)
        return out

    def _send(self, values: Tensor, layer: int, group: Group, out: Tensor) -> Tensor:
        """Fill a buffer on a GPU with windows that are in main memory or on the disk, some clips at a time."""
        n_windows = group.shape[1]
        at_once = max(1, BUFFER_BYTES // (n_windows * self.dim * values.dtype.itemsize))
        for first in range(0, len(group.rows), at_once):
            clips = slice(first, min(first + at_once, len(group.rows)))
            rows = slice(clips.start * n_windows, clips.stop * n_windows)
            self.staging.send(partial(self._pick, values, layer, group, clips), out[rows], values.dtype)
        return out

    def _pick(self, values: Tensor, layer: int, group: Group, clips: slice, out: Tensor) -> Tensor:
        """Copy the windows of some clips of a group, (C * T, D), without a change of dtype or device."""
        n_windows = group.shape[1]
        if self.stored is None:
            index = group.index[clips.start * n_windows : clips.stop * n_windows]
            return torch.index_select(values[layer], 0, index, out=out)
        for place, (row, length) in enumerate(zip(group.rows[clips], group.lengths[clips], strict=True)):
            clip = out[place * n_windows : (place + 1) * n_windows]
            # The array shares the tensor's memory, so nothing is allocated for each clip.
            self.stored.read_layer(row, layer, clip[:length].numpy())
            # Padding repeats the last window, as it does in memory.
            clip[length:] = clip[length - 1]
        return out

    @property
    def on_disk(self) -> bool:
        """Whether a stream's windows stay on the disk."""
        return any(stream.stored is not None for stream in self.streams)

    def read_ahead(self, rows: NDArray[np.int64]) -> None:
        """Tell the system which clips will be read soon, where they are on the disk."""
        for stream in self.streams:
            if stream.stored is not None:
                stream.stored.expect(rows)

    def batch(self, rows: Tensor) -> Batch:
        """Gather clips and widen them to float32.

        Parameters
        ----------
        rows : Tensor of shape (H, B), int64
        """
        lengths = self.lengths[rows]
        steps = torch.arange(int(lengths.max()), device=self.device)
        padding = steps >= lengths[..., None]  # (H, B, T)
        # Never past the clip's last window: the next row in memory is another clip's.
        index = self.starts[rows][..., None] + torch.minimum(steps, lengths[..., None] - 1)  # (H, B, T)
        also = tuple(stream.batch(rows) for stream in self.also)
        if self.stored is not None:
            return Batch(self._gather_stored(self.stored, rows, len(steps)), None, padding, also)
        return Batch(self._gather(self.means, index), self._gather_variances(index), padding, also)

    def _gather_stored(self, stored: StoredFrames, rows: Tensor, n_windows: int) -> Tensor:
        flat = rows.flatten().tolist()
        means = torch.empty(len(self.layers), len(flat), n_windows, self.dim)
        for place, row in enumerate(flat):
            frames = torch.from_numpy(stored.read(row)).transpose(0, 1)  # (T, L, D) -> (L, T, D)
            # A view of (L, T, D): what is copied into it lands in the batch.
            clip, length = means[:, place], frames.shape[1]
            clip[:, :length].copy_(frames)
            clip[:, length:] = clip[:, length - 1 : length]
        return means.view(len(self.layers), *rows.shape, n_windows, self.dim).to(self.device)

    def _gather_variances(self, index: Tensor) -> Tensor | None:
        return None if self.variances is None else self._gather(self.variances, index)

    @staticmethod
    def _gather(values: Tensor, index: Tensor) -> Tensor:
        # Picked where the windows lie, in their dtype: only what the batch needs is sent over and widened.
        picked = values.index_select(1, index.reshape(-1).to(values.device)).to(index.device).float()
        return picked.reshape(values.shape[0], *index.shape, values.shape[2])


def _layer_major(values: NDArray[np.floating], device: str | torch.device) -> Tensor:
    if not len(values):
        raise HeadError("a head needs at least one clip, got none")
    # No copy where `load_features` read them layer-major already.
    layers = torch.from_numpy(np.ascontiguousarray(values.transpose(1, 0, 2)))  # (F, L, D) -> (L, F, D)
    uploaded = attempt(lambda: layers.to(device)) if _fits(layers, torch.device(device)) else layers
    return layers if isinstance(uploaded, MemoryError) else uploaded  # what is free may be in pieces


def _fits(values: Tensor, device: torch.device) -> bool:
    """Whether a GPU's memory holds the windows; else they stay in main memory, and clips are sent over."""
    if device.type != "cuda":
        return True
    return values.numel() * values.element_size() <= ON_DEVICE * free_device_memory(device)


def _group_floats(device: torch.device) -> int:
    """Count the numbers that a group may hold on a device, once the windows are there."""
    if device.type != "cuda":
        return GPU_GROUP_FLOATS
    return max(_LEAST_GROUP_FLOATS, min(GPU_GROUP_FLOATS, free_device_memory(device) // _GROUP_BYTES))
