"""Columns of a prediction table: names, types, and the way from lists to arrays."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.schema import PREDICTION_COLUMNS

__all__ = ["SYSTEM_COLUMNS", "System", "fixed_lists", "logit_array", "normalised"]

SYSTEM_COLUMNS = ["stream", "features", "head"]


class System(NamedTuple):
    """What is being graded: a stream, the features read from it, and the head on top."""

    stream: str
    features: str
    head: str

    def __str__(self) -> str:
        return f"{self.stream} / {self.features} / {self.head}"


def fixed_lists(logits: NDArray[np.float32]) -> pa.Array:
    """Turn logits of shape (rows, K) into an Arrow column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(logits).ravel()), logits.shape[1])


def normalised(table: pa.Table, classes: tuple[str, ...]) -> pa.Table:
    """Check column names, empty values and K; return columns in order with one type each."""
    missing = [name for name in PREDICTION_COLUMNS if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in PREDICTION_COLUMNS]
    if missing or unknown:
        raise PredictionsError(
            f"prediction columns do not fit: missing {missing or 'none'}, unknown {unknown or 'none'}; "
            f"expected {', '.join(PREDICTION_COLUMNS)}"
        )
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise PredictionsError(f"classes must be at least two different labels, got {list(classes)}")
    if not table.num_rows:
        raise PredictionsError("the prediction table has no rows; nothing was scored")
    for name in PREDICTION_COLUMNS:
        if table.column_names.count(name) > 1:
            raise PredictionsError(f"there are {table.column_names.count(name)} columns called '{name}'")
        if table[name].null_count:
            raise PredictionsError(f"column '{name}' has {table[name].null_count} empty values")
    _check_logit_counts(table, len(classes))
    columns = {name: _cast(table, name) for name in PREDICTION_COLUMNS if name != "logits"}
    columns["logits"] = pa.chunked_array([fixed_lists(logit_array(table, len(classes)))])
    return pa.table(columns)


def _cast(table: pa.Table, name: str) -> pa.ChunkedArray:
    wanted = pa.int64() if name in ("seed", "fold") else pa.string()
    try:
        # A text "1" is no seed, and the number 1 no clip: a cast would not say so.
        if pa.types.is_integer(table[name].type) != (wanted == pa.int64()):
            raise pa.ArrowInvalid("no whole numbers" if wanted == pa.int64() else "no text")
        return table[name].cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PredictionsError(f"column '{name}' must be {wanted}, got {table[name].type}: {error}") from error


def _check_logit_counts(table: pa.Table, n_classes: int) -> None:
    kind = table["logits"].type
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) or not pa.types.is_floating(kind.value_type):
        raise PredictionsError(f"column 'logits' must hold lists of float32, got {kind}")
    counts = np.array(pc.list_value_length(table["logits"]))
    wrong = np.flatnonzero(counts != n_classes)
    if len(wrong):
        raise PredictionsError(
            f"clip {table['clip_id'][int(wrong[0])]} has {counts[wrong[0]]} logits, expected {n_classes}, "
            f"one per class ({len(wrong)} such rows)"
        )


def logit_array(table: pa.Table, n_classes: int) -> NDArray[np.float32]:
    """Turn the logits column into an array of shape (rows, K)."""
    # Flat first: Arrow lists become one contiguous array, not an object for each row.
    flat = np.asarray(pc.list_flatten(table["logits"]), dtype=np.float32)
    return flat.reshape(table.num_rows, n_classes)
