"""Padded batches of clips, and a sampler that puts clips of similar length together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Sampler

from ravfeat.errors import UsageError
from ravfeat.torch.dataset import CacheItem

__all__ = ["Batch", "LengthBatches", "collate"]

_NEIGHBOURS = 50
"""Batches of clips that are sorted together: enough that little is padding, few enough that epochs differ."""


class Batch(NamedTuple):
    """Some clips, padded to the longest.

    Attributes
    ----------
    frames : Tensor of shape (B, T, L, D), float32
        Zero where there is no frame.
    mask : Tensor of shape (B, T), bool
        Where there is one.
    labels : Tensor of shape (B,), int64
    actors, clip_ids : list of str
    """

    frames: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    actors: list[str]
    clip_ids: list[str]

    def pin_memory(self) -> "Batch":
        """Give the batch in memory that a GPU copies from; a DataLoader with ``pin_memory=True`` calls it."""
        return self._replace(
            frames=self.frames.pin_memory(), mask=self.mask.pin_memory(), labels=self.labels.pin_memory()
        )


def collate(items: Sequence[CacheItem]) -> Batch:
    """Pad clips to one batch; for ``collate_fn`` of a DataLoader.

    Raises
    ------
    UsageError
        For no clip.
    """
    if not items:
        raise UsageError("collate: expected at least one clip, got none")
    lengths = torch.tensor([len(item.frames) for item in items])
    frames = torch.nn.utils.rnn.pad_sequence([item.frames for item in items], batch_first=True)
    return Batch(
        frames,
        torch.arange(frames.shape[1])[None] < lengths[:, None],
        torch.tensor([item.label for item in items]),
        [item.actor for item in items],
        [item.clip_id for item in items],
    )


class _Sized(Protocol):
    @property
    def lengths(self) -> Sequence[int]: ...


class LengthBatches(Sampler[list[int]]):
    """Batches of clips of similar length, in another order every epoch; for ``batch_sampler`` of a DataLoader.

    Every clip is in one batch of an epoch. The order follows from seed and epoch alone.

    Parameters
    ----------
    clips : CacheDataset
        Or anything with ``lengths``.
    batch_size : int
        Clips of a batch; the last may have fewer.
    seed : int
    shuffle : bool
        False: always the same batches, from the shortest clips to the longest.

    Raises
    ------
    UsageError
        For a size below one.
    """

    def __init__(self, clips: _Sized, batch_size: int = 16, *, seed: int = 0, shuffle: bool = True) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size={batch_size!r:.40}: expected a whole number of at least 1")
        self._lengths = np.asarray(clips.lengths)
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that comes next; without it, epochs are counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        yield from self._batches(np.random.default_rng((self._seed, epoch)))

    def _batches(self, rng: np.random.Generator) -> list[list[int]]:
        size = self._batch_size
        if not self._shuffle:
            order = np.argsort(self._lengths, kind="stable")
        else:
            # Sorted within large parts of a random order: neighbours have a length in common, and others every epoch.
            mixed = rng.permutation(len(self._lengths))
            parts = [mixed[start : start + size * _NEIGHBOURS] for start in range(0, len(mixed), size * _NEIGHBOURS)]
            order = np.concatenate([part[np.argsort(self._lengths[part], kind="stable")] for part in parts])
        batches = [order[start : start + size].tolist() for start in range(0, len(order), size)]
        return [batches[place] for place in rng.permutation(len(batches))] if self._shuffle else batches
