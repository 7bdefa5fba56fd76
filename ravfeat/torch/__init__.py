"""A cache as a torch Dataset: clips with their frames, padded batches, a sampler of clips of similar length.

Examples
--------
>>> from torch.utils.data import DataLoader
>>> from ravfeat.torch import CacheDataset, LengthBatches, collate
>>> clips = CacheDataset("cache", layers=12)  # doctest: +SKIP
>>> loader = DataLoader(
...     clips, batch_sampler=LengthBatches(clips, 16), collate_fn=collate, num_workers=2
... )  # doctest: +SKIP
>>> for batch in loader:  # doctest: +SKIP
...     logits = model(batch.frames, batch.mask)  # (B, T, L, D) and (B, T)
"""

from ravfeat.torch.batches import Batch, LengthBatches, collate
from ravfeat.torch.dataset import CacheDataset, CacheItem

__all__ = ["Batch", "CacheDataset", "CacheItem", "LengthBatches", "collate"]
