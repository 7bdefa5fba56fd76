"""Columns of score files."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CorpusError, PredictionsError
from ravfeat.scorefiles.columns import read_cells
from tests.scorefiles.made import write_rows

ROW = {"name": "a", "fold": 1, "happy": 0.5, "sad": -2.25}


def written(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_facts_are_text_and_every_other_column_is_a_class(ending, tmp_path) -> None:
    rows = [ROW | {"seed": 3, "actor": "07"}, ROW | {"name": "b", "seed": 4, "actor": "08", "sad": 1 / 3}]
    cells = read_cells(write_rows(tmp_path / f"scores.{ending}", rows))
    assert cells.facts == {"name": ("a", "b"), "fold": ("1", "1"), "seed": ("3", "4"), "actor": ("07", "08")}
    assert cells.classes == ("happy", "sad")
    assert cells.values.tolist() == [[0.5, -2.25], [0.5, 1 / 3]]
    assert cells.integers("seed") == (3, 4)
    assert cells.where(1) == f"{tmp_path}/scores.{ending}, row 2 (b)"


def test_a_speaker_is_an_actor(tmp_path) -> None:
    cells = read_cells(written(tmp_path, "name,fold,Speaker,happy,sad\na,1,07,0.5,0.5\n"))
    assert cells.facts["actor"] == ("07",)
    assert cells.classes == ("happy", "sad")


def test_facts_are_known_in_any_case_and_with_spaces_around_them(tmp_path) -> None:
    cells = read_cells(written(tmp_path, "Name, Fold ,Happy,SAD\na,1,0.5,0.5\n"))
    assert list(cells.facts) == ["name", "fold"]
    assert cells.classes == ("Happy", "SAD")
    assert cells.integers("fold") == (1,)


def test_a_column_that_is_not_there_holds_zeros(tmp_path) -> None:
    assert read_cells(write_rows(tmp_path / "scores.csv", [ROW])).integers("seed") == (0,)


def test_whole_numbers_that_became_floats_are_whole_numbers(tmp_path) -> None:
    assert read_cells(written(tmp_path, "name,fold,x,y\na,3.0,1,2\n")).integers("fold") == (3,)
    assert read_cells(write_rows(tmp_path / "a.parquet", [ROW | {"fold": 3.0}])).integers("fold") == (3,)


@pytest.mark.parametrize("fold", ["1.5", "first", "1e3", "True", "1_0"])
def test_other_folds_are_refused_with_their_row(fold, tmp_path) -> None:
    cells = read_cells(written(tmp_path, f"name,fold,x,y\na,1,1,2\nb,{fold},1,2\n"))
    with pytest.raises(PredictionsError, match=rf"scores\.csv, row 2 \(b\): fold is '{fold}'; expected a whole"):
        cells.integers("fold")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,x,y\na,1,2\n",
            r"lacks the columns \['fold'\]; expected a table with the columns name, fold,",
        ),
        ("clip;fold;x\na;1;2\n", r"lacks the columns \['name'\].*got \['clip', 'fold', 'x'\]"),
        ("name,fold,Name,x,y\na,1,a,1,2\n", r"more than one column called \['name'\]"),
        ("name,fold,happy\na,1,2\n", r"has 1 class columns \['happy'\], expected at least two"),
        ("name,fold\na,1\n", r"has 0 class columns \[\], expected at least two"),
        ("name,fold,x,y\n", "has no rows; expected one per clip, fold, split and seed"),
        ("name,fold,x,y\n,1,1,2\n", r"row 1 \(\): the column 'name' is empty \(1 such rows\)"),
        ("name,fold,label,x,y\na,1,x,1,2\nb,1,,1,2\n", r"row 2 \(b\): the column 'label' is empty"),
        ("name,fold,x,y\na,1,1,2\nb,1,1,oops\n", r"row 2 \(b\): 'oops' in the column 'y' is no number \(1 such rows\)"),
        ("name,fold,x,y\na,1,1,2\nb,1,,2\n", r"row 2 \(b\): '' in the column 'x' is no number"),
        ("name,fold,x,y\na,1,1_0,2\nb,1,1,2\n", r"row 1 \(a\): '1_0' in the column 'x' is no number"),
        (
            "name,fold,path,x,y\na,1,a.wav,1,2\nb,1,b.wav,1,2\n",
            r"the column 'path' holds no numbers \('a\.wav' …\)\. Every column besides name, fold, split, seed, stream,"
            r" actor, label, performance is a class and holds its logits or probabilities",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_says_where(text, message, tmp_path) -> None:
    with pytest.raises(PredictionsError, match=message) as caught:
        read_cells(written(tmp_path, text))
    assert str(tmp_path / "scores.csv") in str(caught.value)


def test_lists_are_no_numbers(tmp_path) -> None:
    with pytest.raises(PredictionsError, match="the column 'logits' holds no numbers"):
        read_cells(write_rows(tmp_path / "scores.parquet", [ROW | {"logits": [1.0, 2.0]}]))


def test_an_empty_number_of_parquet_is_nan_and_an_empty_fact_is_refused(tmp_path) -> None:
    cells = read_cells(write_rows(tmp_path / "a.parquet", [ROW, ROW | {"sad": None}]))
    assert np.isnan(cells.values[1, 1])
    with pytest.raises(PredictionsError, match=r"row 2 \(a\): the column 'fold' is empty"):
        read_cells(write_rows(tmp_path / "b.parquet", [ROW, ROW | {"fold": None}]))


def test_what_is_no_table_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError, match="is not a file; expected a CSV, JSON lines or Parquet table"):
        read_cells(tmp_path / "nothing.csv")
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        read_cells(written(tmp_path, ""))
