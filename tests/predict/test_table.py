"""Predictions as tables."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ravfeat.errors import PredictionsError, UsageError
from ravfeat.predict import FilePrediction, SystemPrediction, WindowPrediction
from ravfeat.predict.table import check_out, rows_of, write_rows
from ravfeat.predictions import System

VOICE = System("audio", "logmel", "logreg")
CLASSES = ("happy", 'sa"d')


@pytest.fixture
def prediction() -> FilePrediction:
    answer = SystemPrediction(VOICE, np.array([1 / 3, 2 / 3]), domain=1.25)
    silent = SystemPrediction(VOICE, None, "silent")
    windows = (WindowPrediction(0.0, 2.0, (answer,), speech_db=-20.0), WindowPrediction(1.0, 3.0, (silent,)))
    return FilePrediction("=a,b\udcff.wav", CLASSES, 3.0, windows, WindowPrediction(0.0, 3.0, (answer,)))


def test_rows_tell_windows_and_then_the_file(prediction: FilePrediction) -> None:
    rows = list(rows_of(prediction))
    assert [(row["scope"], row["status"], row["predicted"]) for row in rows] == [
        ("window", "ok", 'sa"d'),
        ("window", "failed", None),
        ("file", "ok", 'sa"d'),
    ]
    assert rows[0]["p_happy"] == 1 / 3
    assert rows[1]["reason"] == "silent"
    assert rows[1]["p_happy"] is rows[1]["speech_db"] is None


def test_all_formats_hold_the_same(prediction: FilePrediction, tmp_path: Path) -> None:
    rows = list(rows_of(prediction))
    for suffix in ("csv", "parquet", "jsonl"):
        write_rows(rows, CLASSES, tmp_path / f"out.{suffix}")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == rows
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    csv = pyarrow.csv.read_csv(tmp_path / "out.csv", convert_options=options).to_pylist()
    assert [row["p_happy"] for row in csv] == [1 / 3, None, 1 / 3]
    assert [row["file"] for row in csv] == [row["file"] for row in rows]


def test_a_name_without_a_format_and_what_is_to_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out\.txt: expected a name that ends in \.csv, \.parquet, \.jsonl"):
        check_out(Path("out.txt"), [])
    table, link = tmp_path / "clips.csv", tmp_path / "link.csv"
    table.write_text("path\n")
    link.symlink_to(table)
    with pytest.raises(UsageError, match=r"link\.csv is what is to be read"):
        check_out(link, [tmp_path / "x.wav", table])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="is not a file"):
        check_out(tmp_path / "folder.csv", [])


def test_rows_that_are_none_are_refused(prediction: FilePrediction, tmp_path: Path) -> None:
    rows = [{**row, "p_happy": "much"} for row in rows_of(prediction)]
    with pytest.raises(PredictionsError, match=r"damaged.*remove .*\.out\.csv\.unfinished"):
        write_rows(rows, CLASSES, tmp_path / "out.csv")
