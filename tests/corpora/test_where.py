"""Conditions on columns: what they choose, and what is refused."""

import re

import pyarrow as pa
import pytest

from ravfeat.corpora.where import Where
from ravfeat.errors import UsageError

TABLE = pa.table(
    {
        "label": ["happy", "bored", "sad", None],
        "actor": ["1", "2", "03", "anna"],
        "session": [1.0, 2.0, 5.0, None],
        "code": ["01", "5", "05", None],
        "room name": ["hall", "hall", "street", "street"],
    }
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("label == 'happy'", [0]),
        ('label != "bored" and session != 5', [0, 3]),
        ("label == 'sad' or label == 'happy' and session == 1", [0, 2]),
        ("(label == 'sad' or label == 'happy') and session == 1", [0]),
        ("not (label == 'sad' or `room name` == 'hall')", [3]),
        ("label in ('happy', 'sad',)", [0, 2]),
        ("label not in ('happy', 'sad')", [1, 3]),
        ("not label in ('happy', 'sad')", [1, 3]),
        ("session <= 2", [0, 1]),
        ("2 < session", [2]),
        ("session in (1, '5')", [0, 2]),
        ("code != 5", [0, 3]),
        ("code == '5'", [1]),
        ("code < 5", [0]),
        ("speaker == 3", [2]),
        ("Label == 'sad' and ROOMNAME == 'street'", [2]),
        ("emotion == 'sad'", [2]),
        ("session == ''", [3]),
        ("session != '' and not label == 'sad'", [0, 1]),
    ],
)
def test_a_condition_keeps_the_rows_of_which_it_is_true(text, kept) -> None:
    assert Where.parse(text).rows(TABLE).nonzero()[0].tolist() == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected the name of a column, got the end"),
        ("label", r"expected a comparison .*, got the end"),
        ("label = 'sad'", r"cannot read \"= 'sad'\" at character 7: write == to compare"),
        ("label == 'sad", r"a quote is opened and not closed"),
        ("label == sad", r"expected a value after the comparison.*got 'sad' at character 10"),
        ("label == 'sad' & session == 1", r"write 'and'"),
        ("label == 'sad' session == 1", r"expected 'and', 'or' or the end, got 'session'"),
        ("label in ['sad']", r"lists stand in round brackets"),
        ("label in ()", r"expected a value"),
        ("label in ('sad' 'happy')", r"expected a comma or a closing bracket"),
        ("label not == 'sad'", r"expected 'in' after 'not'"),
        ("(label == 'sad'", r"expected a closing bracket, got the end"),
        ("1 == 1", r"expected the name of a column, got '1'"),
        ("label == session", r"expected a value"),
        ("__import__('os')", r"expected a comparison"),
        ("session == 0x10", r"cannot read '0x10'"),
        (" or ".join(["session == 1"] * 200), r"has 3196 characters; expected at most 2000"),
        ("(" * 51 + "session == 1" + ")" * 51, r"nested more than 50 deep"),
        ("not " * 51 + "session == 1", r"nested more than 50 deep"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_place(text, message) -> None:
    with pytest.raises(UsageError, match=message):
        Where.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label != 'bordom'", r"no clip has label 'bordom'.*there is 'bored', 'happy', 'sad'"),
        ("label in ('sad', 'borde')", r"no clip has label 'borde' \(is 'bored' meant\?\)"),
        ("session != 7", r"no clip has session '7'; there is '1', '2', '5'"),
        ("session == 'first'", r"no clip has session 'first'"),
        ("label == 3", r"no clip has label '3'"),
        ("code == '05 '", r"no clip has code '05 '"),
        ("label < 3", r"'<' compares numbers, and 'label' holds the text 'happy'"),
        ("session < 'b'", r"'<' compares numbers, got 'b'"),
        ("colour == 'red'", r"no column 'colour'; there is label, actor, session, code, room name"),
    ],
)
def test_a_comparison_that_cannot_be_meant_is_refused(text, message) -> None:
    with pytest.raises(UsageError, match=re.escape(f"where {text!r}: ") + message):
        Where.parse(text).rows(TABLE)


def test_a_value_may_be_in_one_table_only_and_a_column_must_be_in_all() -> None:
    voice, face = TABLE.slice(0, 2), TABLE.slice(2)
    kept = Where.parse("label != 'sad'").rows_of([voice, face])
    assert [rows.tolist() for rows in kept] == [[True, True], [False, True]]
    with pytest.raises(UsageError, match="no column 'session'"):
        Where.parse("session != 5").rows_of([voice, face.drop_columns(["session"])])


def test_a_column_of_numbers_here_and_of_text_there_is_compared_as_text() -> None:
    other = pa.table({"session": ["5", "x"]})
    kept = Where.parse("session == 5").rows_of([TABLE, other])
    assert [rows.tolist() for rows in kept] == [[False, False, True, False], [True, False]]


def test_clips_without_a_value_are_counted() -> None:
    assert Where.parse("session != 5 and actor != 1").empty_cells(TABLE) == {"session": 1}


def test_many_different_values_are_named_in_part() -> None:
    table = pa.table({"actor": [f"a{number}" for number in range(50)]})
    with pytest.raises(UsageError, match=r"there is 'a0', .*'a19' and 38 more"):
        Where.parse("actor != 'b'").rows(table)
