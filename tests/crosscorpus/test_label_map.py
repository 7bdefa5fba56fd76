"""Which class a label stands for, and tables that do not say it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from ravfeat.corpora.label_map import CorpusLabels
from ravfeat.crosscorpus.label_map import LabelMap, read_label_map, shared_labels
from ravfeat.errors import CorpusError

ONE = CorpusLabels("one", {"neutral": 4, "happy": 8, "sad": 8, "calm": 0})
TWO = CorpusLabels("two", {"joy": 5, "sad": 5, "neutral": 2})


def read(folder: Path, text: str) -> LabelMap:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_label_map(path, ONE, TWO)


def test_without_a_table_labels_of_the_same_name_are_shared_in_the_order_of_the_first_corpus() -> None:
    found = shared_labels(ONE, TWO)
    assert found.classes == ("neutral", "sad")
    assert found.train == found.test == {"neutral": "neutral", "sad": "sad"}


def test_a_label_without_clips_is_not_shared() -> None:
    with pytest.raises(
        CorpusError, match=r"have 1 labels of the same name in common.*'one' has neutral.*with --label-map"
    ):
        shared_labels(ONE, CorpusLabels("two", {"calm": 3, "sad": 5}))


def test_a_table_maps_labels_of_both_and_leaves_out_what_it_does_not_name(tmp_path) -> None:
    found = read(tmp_path, "label,class\nhappy,positive\njoy,positive\nsad,negative\n")
    assert found.classes == ("positive", "negative")
    assert found.train == {"happy": "positive", "sad": "negative"}
    assert found.test == {"joy": "positive", "sad": "negative"}


def test_a_label_may_mean_something_else_in_each_corpus(tmp_path) -> None:
    text = "corpus,label,class\none,sad,low\ntwo,sad,high\none,happy,high\n,neutral,low\n"
    found = read(tmp_path, text)
    assert found.train == {"sad": "low", "happy": "high", "neutral": "low"}
    assert found.test == {"sad": "high", "neutral": "low"}


def test_a_parquet_table_will_do_with_columns_of_its_own(tmp_path) -> None:
    table = pa.table({"note": [1, 2], "class": ["x", "y"], "label": ["sad", "neutral"], "corpus": [None, None]})
    pyarrow.parquet.write_table(table, tmp_path / "labels.parquet")
    found = read_label_map(tmp_path / "labels.parquet", ONE, TWO)
    assert found.train == found.test == {"sad": "x", "neutral": "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,klass\nsad,low\n", r"lacks the columns \['class'\]; expected label, class and optionally corpus"),
        ("label,class\nsad,low\nhappy,\n", r"row 3: label 'happy' has an empty class; name one, or drop the row"),
        ("label,class\n,low\n", "row 2: 'label' is empty"),
        ("label,class\nsad,low\nneutral,low\n", r"covers 1 class \(low\); a head needs at least two"),
        ("label,class\n", r"covers 0 class \(it has no rows\)"),
        ("label,class\nsad,low\nangry,high\n", r"row 3: neither corpus has a label 'angry'; 'one' has neutral, happy"),
        ("corpus,label,class\ntwo,happy,high\n", r"row 2: corpus 'two' has no label 'happy'; 'two' has joy, sad"),
        ("corpus,label,class\nthree,sad,low\n", r"row 2: no corpus 'three' here; expected 'one' \(trained on\)"),
        (
            "label,class\nsad,low\nneutral,high\nsad,high\n",
            r"names label 'sad' of corpus 'one' twice, in row 2 as 'low' and in row 4 as 'high'; keep one",
        ),
        (
            "corpus,label,class\n,sad,low\n,neutral,high\ntwo,sad,low\n",
            "names label 'sad' of corpus 'two' twice, in row 2 as 'low' and in row 4",
        ),
        (
            "label,class\nsad,low\nhappy,high\n",
            r"class 'high' has 8 clips in 'one' \(trained on\) and 0 in 'two' \(tested on\); a class needs clips",
        ),
        ("label,class\nsad,low\ncalm,high\njoy,high\n", "class 'high' has 0 clips in 'one'"),
        ("label,class\nsad,low\nneutral,Low\n", r"one class in several spellings: 'Low' \(1 clip\) and 'low'"),
        ("label,class\nsad,low\nneutral,n/a\n", "class is 'n/a'"),
    ],
)
def test_tables_that_do_not_say_it_are_refused(text, message, tmp_path) -> None:
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, text)


def test_a_table_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError, match="is not a file; expected a CSV, JSON lines or Parquet table"):
        read_label_map(tmp_path / "none.csv", ONE, TWO)
