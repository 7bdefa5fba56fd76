"""What a cache holds of every stored clip, whoever reads it: its facts and digests, as columns of the index."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord
from ravfeat.cache.index_table import IndexTable
from ravfeat.cache.json_columns import hash_items, rows_as_json

__all__ = ["CacheContent"]

_FIELDS = ("clip_id", "performance_id", "actor", "gender", "label", "input_sha256", "features_sha256")
_CHUNK = 1 << 16


@dataclass(frozen=True)
class CacheContent:
    """Facts and digests of the stored clips, in the order of the files.

    Attributes
    ----------
    table : pyarrow.Table
    """

    table: pa.Table

    @classmethod
    def of(cls, index: IndexTable) -> "CacheContent":
        """Take them from an index."""
        return cls(index.stored(_FIELDS))

    def sha256(self, order: NDArray[np.int64]) -> str:
        """Compute the digest of the content; `order` are the rows sorted by ``clip_id``."""
        # The canonical JSON of a list of lists, in pieces.
        digest: Any = hashlib.sha256(b"[")
        parts = (self.table.take(pa.array(order[at : at + _CHUNK])) for at in range(0, len(order), _CHUNK))
        hash_items(digest, (texts for part in parts for texts in rows_as_json(part.combine_chunks())))
        digest.update(b"]")
        return str(digest.hexdigest())

    def is_of(self, clips: tuple[ClipRecord, ...], start: int) -> bool:
        """Whether the records that a shard holds are those of the rows from `start` on."""
        rows = zip(*self.table.slice(start, len(clips)).to_pydict().values(), strict=True)
        return list(rows) == [tuple(getattr(clip, name) for name in _FIELDS) for clip in clips]
