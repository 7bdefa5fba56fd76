"""Every file of a run, damaged by hand."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.runs.recipe import read_recipe
from ravfeat.runs.records import (
    read_calibration,
    read_differences,
    read_fusion,
    read_layer_weights,
    read_metrics,
    read_scores,
)

OLD_RUN = Path(__file__).parents[1] / "format" / "run-v0"

READERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "metrics.json": (read_metrics, "value"),
    "differences.json": (read_differences, "p"),
    "calibration.json": (read_calibration, "temperature"),
    "layer_weights.json": (read_layer_weights, "weights"),
    "fusion.json": (read_fusion, "folds"),
    "recipe.json": (read_recipe, "seeds"),
}
"""Of every file: its reader, and a key that holds neither text nor true or false."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD_RUN, tmp_path / "run"))


@pytest.mark.parametrize("name", READERS)
def test_every_file_of_a_run_is_read_and_further_keys_are_passed_over(name: str, run: Path) -> None:
    value = json.loads((run / name).read_text())
    (value[0] if isinstance(value, list) else value)["later"] = {"a": [1]}
    (run / name).write_text(json.dumps(value))
    assert READERS[name][0](run)


@pytest.mark.parametrize("damage", [b"", b"\x00\xff", b"cut", b'"text"', b"NaN", b"[" * 100_000, b"[NaN]", b"[[]]"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_damaged_is_refused_by_its_name(name: str, damage: bytes, run: Path) -> None:
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[: len(content) // 2] if damage == b"cut" else damage)
    with pytest.raises(PredictionsError, match=name.replace(".", r"\.")):
        READERS[name][0](run)


@pytest.mark.parametrize("value", ["text", {}, float("nan"), True, [[]]])
@pytest.mark.parametrize("name", READERS)
def test_a_value_of_another_kind_is_refused_by_file_and_key(name: str, value: object, run: Path) -> None:
    reader, key = READERS[name]
    record = json.loads((run / name).read_text())
    (record[0] if isinstance(record, list) else record)[key] = value
    (run / name).write_text(json.dumps(record))
    with pytest.raises(PredictionsError, match=rf"{name}.*{key}.* is .*, expected"):
        reader(run)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"recipe.json"}))
def test_a_missing_key_is_refused_by_file_and_key(name: str, run: Path) -> None:
    reader, key = READERS[name]
    record = json.loads((run / name).read_text())
    (record[0] if isinstance(record, list) else record).pop(key)
    (run / name).write_text(json.dumps(record))
    with pytest.raises(PredictionsError, match=rf"{name}.* lacks '{key}'; make the run again"):
        reader(run)


def test_layers_and_weights_that_are_not_as_many_are_refused(run: Path) -> None:
    entries = json.loads((run / "layer_weights.json").read_text())
    entries[1]["weights"].append(0.0)
    (run / "layer_weights.json").write_text(json.dumps(entries))
    with pytest.raises(PredictionsError, match=r"layer_weights\.json: \[1\] has 1 layers and 2 weights"):
        read_layer_weights(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry.update(layers=[-1]), r"names the layers \[-1\]"),
        (lambda entry: entry.update(layers=[0, 0], weights=[0.5, 0.5]), r"names the layers \[0, 0\]"),
        (lambda entry: entry.update(weights=[2.0]), r"has weights that are not shares of one: \[2.0\]"),
        (lambda entry: entry.update(layers=[0, 1], weights=[-1.0, 2.0]), "has weights that are not shares of one"),
        (lambda entry: entry.update(fold=0), "is of the head of another entry: audio / voice / attentive / 0 / 0"),
    ],
)
def test_layer_weights_that_cannot_be_are_refused(change: Callable[[Any], Any], message: str, run: Path) -> None:
    entries = json.loads((run / "layer_weights.json").read_text())
    change(entries[1])
    (run / "layer_weights.json").write_text(json.dumps(entries))
    with pytest.raises(PredictionsError, match=rf"layer_weights\.json: \[1\] {message}.*; make the run again"):
        read_layer_weights(run)


def test_a_run_without_layer_weights_has_none(run: Path) -> None:
    (run / "layer_weights.json").unlink()
    assert read_layer_weights(run) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["uar"]), r": \[0\] lacks 'uar'; make the run again"),
        (lambda table: table.set_column(0, "stream", pa.array([1] * len(table))), r"\[0\]\.stream is 1, expected text"),
    ],
)
def test_scores_of_other_columns_are_refused(change: Callable[[pa.Table], pa.Table], message: str, run: Path) -> None:
    assert read_scores(run)
    path = run / "scores.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(PredictionsError, match=rf"scores\.parquet{message}".replace("parquet\\[", "parquet: \\[")):
        read_scores(run)
