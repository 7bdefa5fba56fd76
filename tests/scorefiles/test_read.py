"""One score file."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CorpusError, PredictionsError
from ravfeat.schema import RAVDESS_LABELS
from ravfeat.scorefiles.read import ScoreFile, read_score_file
from tests.scorefiles.made import rows_of, simulated, write_rows

ABOUT = {"protocol": "p", "select": "val", "synthetic": False}


def read(folder: Path, *rows: dict[str, object], **everywhere: object) -> ScoreFile:
    defaults = {"fold": 0, "calm": 3.0, "sad": -1.0, "label": "calm", "actor": "a"}
    return read_score_file(write_rows(folder / "a.csv", [defaults | everywhere | row for row in rows]))


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_of_a_table_is_that_table(probabilities, ending, tmp_path) -> None:
    table = simulated()
    rows = rows_of(table, probabilities=probabilities)
    file = read_score_file(write_rows(tmp_path / f"voice.{ending}", rows))
    assert file.kind == ("probabilities" if probabilities else "logits")
    assert not file.sides.leak
    again = file.predictions("voice", RAVDESS_LABELS, protocol="ravdess6", select="val", synthetic=False)
    assert [str(system) for system in again.systems()] == ["audio / voice / scores"]
    facts = ["stream", "seed", "fold", "split", "clip_id", "performance_id", "actor", "label"]
    assert again.table.select(facts).equals(table.table.select(facts))
    if probabilities:
        centred = (table.logits() - table.logits()[:, :1], again.logits() - again.logits()[:, :1])
        np.testing.assert_allclose(*centred, atol=1e-5)
    else:
        np.testing.assert_array_equal(again.logits(), table.logits())


def test_classes_are_brought_into_the_order_that_is_asked_for(tmp_path) -> None:
    file = read(tmp_path, {"name": "1"})
    assert file.predictions("a", ("sad", "calm"), **ABOUT).logits().tolist() == [[-1, 3]]


def test_all_rows_are_test_rows_of_seed_0_unless_they_say_otherwise(tmp_path) -> None:
    file = read(tmp_path, {"name": "1"}, {"name": "2"})
    assert (file.splits, file.seeds) == (("test", "test"), (0, 0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"split": "test"}, {"split": "train"}],
            r"row 2 \(.*\): split is 'train' \(1 such rows\); leave training rows",
        ),
        ([{"split": "dev"}], r"row 1 \(.*\): split is 'dev'; expected val or test"),
        ([{"fold": -1}], r"row 1 \(.*\): fold is -1; expected 0 or more"),
        (
            [{"split": "test"}, {"split": "val", "fold": 1}],
            r"row 2 \(.*\): fold 1 has val rows and no test rows; add its test rows, or leave it out",
        ),
        ([{"label": "calm"}, {"label": "happy"}], r"row 2 .*: the label 'happy' has no class column\. Labels are"),
        ([{"calm": 0.5, "sad": 0.2}], r"row 1 .*: the scores sum to 0\.7000"),
        ([{"calm": "nan"}], r"row 1 .*: NaN, Inf or"),
    ],
)
def test_what_cannot_be_is_refused(rows, message, tmp_path) -> None:
    with pytest.raises(PredictionsError, match=rf"a\.csv, {message}"):
        read(tmp_path, *({"name": f"clip{number}"} | row for number, row in enumerate(rows)))


def test_a_row_twice_is_refused_however_its_name_is_spelled(tmp_path) -> None:
    stem = "03-01-02-01-02-01-07"
    message = rf"a\.csv: {stem}, fold 0, test, seed 0 stands in the rows 1 and 3 \(1 rows too many\)"
    with pytest.raises(PredictionsError, match=message):
        read(tmp_path, {"name": stem}, {"name": "x"}, {"name": f"Actor_07/{stem}.wav"})
    read(tmp_path, {"name": stem, "seed": 0}, {"name": stem, "seed": 1})


def test_what_a_table_refuses_names_the_file(tmp_path) -> None:
    file = read(tmp_path, {"name": "1", "fold": 0}, {"name": "1", "fold": 1})
    assert file.sides.leak == "actor 'a' is tested in the folds 0 and 1"
    with pytest.raises(PredictionsError, match=r"a\.csv: clip 1 is tested 2 times by other / a / scores, seed 0"):
        file.predictions("a", ("calm", "sad"), **ABOUT)


def test_one_person_in_two_spellings_is_refused_until_both_are_meant(tmp_path) -> None:
    rows = [
        {"name": "a", "actor": "3"},
        {"name": "b", "actor": "03", "fold": 1},
        {"name": "b", "actor": "03", "fold": 2},
    ]
    with pytest.raises(CorpusError, match=r"one actor in several spellings: '03' \(1 clip\) and '3' \(1 clip\)"):
        read(tmp_path, *rows)
    assert set(read_score_file(tmp_path / "a.csv", ["3"]).owners.actors) == {"3", "03"}


@pytest.mark.parametrize("column", ["actor", "performance"])
def test_a_word_for_an_empty_cell_is_no_name(column, tmp_path) -> None:
    with pytest.raises(CorpusError, match=rf"{column} is 'nan' \(1 clip\), which is how programs write an empty cell"):
        read(tmp_path, {"name": "a", "performance": "t", column: "nan"}, {"name": "b", "performance": "t2", "fold": 1})


def test_actors_of_ravdess_may_be_numbers_with_and_without_zeros(tmp_path) -> None:
    rows = [
        {"name": "03-01-02-01-01-01-03", "actor": "3"},
        {"name": "03-01-04-01-01-01-03", "actor": "03", "label": "sad"},
    ]
    assert set(read(tmp_path, *rows).owners.actors) == {"ravdess:03"}
