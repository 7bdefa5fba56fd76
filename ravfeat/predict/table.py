"""Write predictions of recordings as a table: CSV, Parquet or JSON lines, a row for each window, file and system."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ravfeat.errors import PredictionsError, UsageError
from ravfeat.files import replace_file
from ravfeat.predict.result import FilePrediction, WindowPrediction

__all__ = ["SUFFIXES", "check_out", "rows_of", "write_rows"]

SUFFIXES = (".csv", ".parquet", ".jsonl")

Row = dict[str, Any]


def check_out(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse a name that says no format, or is one of the inputs, before hours of work.

    Raises
    ------
    UsageError
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}, which says the format")
    for name in inputs:
        if path.exists() and name.exists() and path.samefile(name):
            raise UsageError(f"--out {path} is what is to be read, and would be overwritten; choose another name")
    if path.exists() and not path.is_file():
        raise UsageError(f"--out {path} is not a file; choose another name")


def rows_of(prediction: FilePrediction) -> Iterator[Row]:
    """Give the rows of one recording.

    Yields
    ------
    dict
        ``file``; ``scope``: ``window`` or, at the end, ``file`` (the mean of its windows); ``start_s``, ``end_s``;
        ``system``; ``predicted``: the most probable class; ``p_CLASS``: probabilities; ``domain``, ``unlike``,
        ``trained_on``, ``face_found``, ``faces_several``, ``speech_db``: see `ravfeat.predict.result`; ``status``:
        ``ok`` or ``failed``; ``reason``. None where a value is not known.
    """
    for window in prediction.windows:
        yield from _rows(prediction, window, "window")
    yield from _rows(prediction, prediction.summary, "file")


def _rows(prediction: FilePrediction, window: WindowPrediction, scope: str) -> Iterator[Row]:
    for answer in window.systems:
        probs = [None] * len(prediction.classes) if answer.probs is None else answer.probs.tolist()
        yield {
            "file": prediction.file.encode("utf-8", "backslashreplace").decode(),
            "scope": scope,
            "start_s": window.start_s,
            "end_s": _known(window.end_s),
            "system": str(answer.system),
            "predicted": None if answer.probs is None else prediction.classes[int(np.argmax(answer.probs))],
            **{f"p_{name}": value for name, value in zip(prediction.classes, probs, strict=True)},
            "domain": _known(answer.domain),
            "unlike": answer.unlike,
            "trained_on": prediction.trained_on,
            "face_found": _known(window.face_found),
            "faces_several": _known(window.faces_several),
            "speech_db": _known(window.speech_db),
            "status": answer.status,
            "reason": answer.reason,
        }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def write_rows(rows: Sequence[Row], classes: Sequence[str], path: Path) -> None:
    """Write rows of `rows_of`: whole or not at all; the suffix says how.

    Raises
    ------
    PredictionsError
        For rows that are none.
    """
    if path.suffix.lower() == ".jsonl":
        replace_file(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode())
        return
    try:
        table, sink = pa.Table.from_pylist(list(rows), schema=_schema(classes)), pa.BufferOutputStream()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        kept = path.with_name(f".{path.name}.unfinished")
        raise PredictionsError(f"rows of an interrupted command are damaged ({error}); remove {kept}") from error
    if path.suffix.lower() == ".csv":
        pyarrow.csv.write_csv(table, sink)
    else:
        pq.write_table(table, sink)
    replace_file(path, sink.getvalue().to_pybytes())


def _schema(classes: Sequence[str]) -> pa.Schema:
    text, number, flag = pa.string(), pa.float64(), pa.bool_()
    return pa.schema(
        [
            ("file", text), ("scope", text), ("start_s", number), ("end_s", number), ("system", text),
            ("predicted", text), *((f"p_{name}", number) for name in classes), ("domain", number), ("unlike", flag),
            ("trained_on", flag), ("face_found", number), ("faces_several", number), ("speech_db", number),
            ("status", text), ("reason", text),
        ]
    )  # fmt: skip
