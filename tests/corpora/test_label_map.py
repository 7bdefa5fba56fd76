"""Tables that say which class the labels of one corpus stand for."""

from pathlib import Path

import pytest

from ravfeat.corpora.label_map import ClassMap, CorpusLabels, read_class_map
from ravfeat.errors import CorpusError

CORPUS = CorpusLabels("one", {"neutral": 4, "happy": 8, "sad": 8, "calm": 3, "bored": 0})


def read(folder: Path, text: str) -> ClassMap:
    path = folder / "classes.csv"
    path.write_text(text, encoding="utf-8")
    return read_class_map(path, CORPUS)


def test_every_label_stands_for_a_class_in_the_order_of_the_table_or_is_left_out(tmp_path) -> None:
    found = read(tmp_path, "label,class\nsad,negative\nhappy,positive\ncalm,\nneutral,positive\n")
    assert found.classes == ("negative", "positive")
    assert found.means == {"sad": "negative", "happy": "positive", "calm": "", "neutral": "positive"}


def test_a_class_without_clips_is_none_and_rows_of_another_corpus_are_passed_over(tmp_path) -> None:
    rows = "bored,boredom,one\nsad,low,\nhappy,high,one\ncalm,low,\nneutral,low,\njoy,high,two\nhappy,low,two\n"
    assert read(tmp_path, f"label,class,corpus\n{rows}").classes == ("low", "high")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,class\nsad,a\nhappy,b\n", r"says no class for neutral \(4 clips\), calm \(3 clips\); add a row"),
        ("label,class\nsad,a\nhapy,b\n", r"row 3: corpus 'one' has no label 'hapy'; it has neutral 4, happy 8"),
        ("label,class\nsad,a\nsad,b\nhappy,b\n", r"names label 'sad' of corpus 'one' twice, in row 2 as 'a'"),
        ("label,class\nsad,a\nhappy,A\nneutral,\ncalm,\n", r"has one class in several spellings: 'A' .* and 'a'"),
        ("label,class\nsad,a\nhappy,a\nneutral,\ncalm,\n", r"covers 1 class \(a\); a head needs at least two"),
        ("label,emotion\nsad,a\n", r"lacks the columns \['class'\]"),
        ("label,class\n,a\n", r"row 2: 'label' is empty"),
    ],
)
def test_a_table_that_does_not_fit_the_labels_is_refused(text, message, tmp_path) -> None:
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, text)
