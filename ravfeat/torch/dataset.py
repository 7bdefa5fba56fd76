"""Clips of a cache, one by one, for a torch DataLoader and its workers."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset

from ravfeat.api.arguments import AnyPath, as_layers, as_place
from ravfeat.api.arrays import clips_where
from ravfeat.api.cache import Cache, open_cache
from ravfeat.features.layers import parse_layers

__all__ = ["CacheDataset", "CacheItem"]


class CacheItem(NamedTuple):
    """One clip.

    Attributes
    ----------
    frames : Tensor of shape (T, L, D), float32
    label : int
        Place in `CacheDataset.classes`.
    actor : str
        Keep those of training and test apart.
    clip_id : str
    """

    frames: torch.Tensor
    label: int
    actor: str
    clip_id: str


class CacheDataset(Dataset[CacheItem]):
    """The clips of a cache, in the order of their ids: a map-style Dataset.

    Every process opens files of its own, whether workers are forked or spawned.

    Parameters
    ----------
    cache : path, str or Cache
        A folder, an address, or an open cache of a folder.
    layers : int, iterable of int or str, optional
        ``6``, ``[6, 7]``, ``"6-12"``, ``"last"``; default all.
    where : str, optional
        Which clips, as in `ravfeat.Cache.arrays`.

    Attributes
    ----------
    clip_ids : tuple of str
    labels : tuple of int
        Places in `classes`.
    actors : tuple of str
    classes : tuple of str
        The label set of the corpus, also where `where` leaves some of it out: outputs of a network keep their meaning.
    layers : tuple of int
    lengths : tuple of int
        Stored frames of every clip.

    Raises
    ------
    UsageError
        For what is no layer or condition, and where no clip is left.
    CacheError, RemoteError
        See `ravfeat.open_cache`.
    """

    def __init__(
        self,
        cache: AnyPath | Cache,
        *,
        layers: str | int | Iterable[int] | None = None,
        where: str | None = None,
    ) -> None:
        self._place = as_place("cache", cache)
        # Absolute: a worker that is spawned may begin in another folder.
        if isinstance(self._place, Path):
            self._place = self._place.resolve()
        self._cache: tuple[int, Cache] | None = None
        opened = self.cache
        table = clips_where(opened.table(), where)
        records = opened.records()
        self.clip_ids: tuple[str, ...] = tuple(table["clip_id"].to_pylist())
        self.classes = opened.classes
        self.labels = tuple(self.classes.index(label) for label in table["label"].to_pylist())
        self.actors = tuple(records[clip_id].actor for clip_id in self.clip_ids)
        self.layers = parse_layers(as_layers(layers), opened.layers) or opened.layers
        self.lengths = tuple(opened.n_frames(clip_id) for clip_id in self.clip_ids)

    def __repr__(self) -> str:
        return f"<CacheDataset {str(self._place)[-200:]} ({len(self)} clips, {len(self.layers)} layers)>"

    @property
    def cache(self) -> Cache:
        """The cache, opened by this process."""
        # An open file of HDF5 must not be used on both sides of a fork.
        if self._cache is None or self._cache[0] != os.getpid():
            self._cache = os.getpid(), open_cache(self._place)
        return self._cache[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": None}

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, place: int) -> CacheItem:
        clip_id = self.clip_ids[place]
        (frames,) = self.cache.read([clip_id], layers=self.layers)
        return CacheItem(torch.from_numpy(frames).float(), self.labels[place], self.actors[place], clip_id)
