"""Digests of the canonical JSON of many rows, made column by column and hashed in pieces."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.files import canonical_json

__all__ = ["hash_items", "numbers_as_json", "rows_as_json"]

_CHUNK = 1 << 16
"""Rows whose text is in memory at a time."""


def rows_as_json(table: pa.Table) -> Iterator[pa.Array]:
    """Yield every row as a list in canonical JSON, many rows at a time; columns are texts, or floats."""
    for batch in table.to_batches(max_chunksize=_CHUNK):
        cells = [_as_json(column) for column in batch.columns]
        between = [part for cell in cells for part in (",", cell)][1:]
        yield pc.binary_join_element_wise("[", *between, "]", "")


def _as_json(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        return numbers_as_json(np.asarray(column))
    if pc.any(pc.match_substring_regex(column, r"[\x00-\x1f]")).as_py():
        return pa.array([canonical_json(text) for text in column.to_pylist()], pa.string())
    # Without control characters these two are all that JSON escapes.
    escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")


def numbers_as_json(values: NDArray[np.float64]) -> pa.Array:
    """Write numbers as Python does, NaN as null: it is not JSON, and would make equal tables differ."""
    # By their bits: 0.0 and -0.0 are equal and have two texts.
    bits, places = np.unique(values.view(np.int64), return_inverse=True)
    texts = ["null" if value != value else repr(value) for value in bits.view(np.float64).tolist()]
    return pa.array(texts, pa.string()).take(pa.array(places))


def hash_items(digest: Any, parts: Iterable[pa.Array]) -> None:
    """Feed the texts of arrays to a digest, with commas between them."""
    between = b""
    for texts in parts:
        for start in range(0, len(texts), _CHUNK):
            part = texts.slice(start, _CHUNK)
            listed = pa.ListArray.from_arrays(pa.array([0, len(part)], pa.int32()), part)
            digest.update(between + pc.binary_join(listed, ",")[0].as_buffer().to_pybytes())
            between = b","
