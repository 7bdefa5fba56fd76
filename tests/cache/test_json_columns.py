"""Canonical JSON by columns: the same bytes as row by row."""

import hashlib
import math

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.cache import json_columns
from ravfeat.cache.json_columns import hash_items, numbers_as_json, rows_as_json
from ravfeat.files import canonical_json

TEXTS = ["", "a b", 'quote " and \\', "größe", "\x7f\u2028", "😀", "tab\t\x01"]
NUMBERS = [0.0, -0.0, math.nan, 1.5, 1e16, 1e-7, 5e-324]


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:-1]], ids=["with control characters", "without"])
def test_rows_hash_as_their_json(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_columns, "_CHUNK", 3)
    numbers = NUMBERS[: len(texts)]
    digest = hashlib.sha256(b"[")
    hash_items(digest, rows_as_json(pa.table({"text": texts, "number": numbers})))
    digest.update(b"]")
    rows = [[text, None if math.isnan(number) else number] for text, number in zip(texts, numbers, strict=True)]
    assert digest.hexdigest() == hashlib.sha256(canonical_json(rows).encode()).hexdigest()


def test_numbers_are_written_as_python_does() -> None:
    written = numbers_as_json(np.array(NUMBERS)).to_pylist()
    assert written == ["0.0", "-0.0", "null", "1.5", "1e+16", "1e-07", "5e-324"]
