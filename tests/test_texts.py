"""Sorted columns of texts: found by bisection, like a sorted tuple otherwise."""

import pickle
from typing import Any

import pyarrow as pa
import pytest

from ravfeat.texts import SortedTexts

NAMES = ("", "a", "a b", "b", "größe", "z", "中文", "😀")


def texts(*names: str) -> SortedTexts:
    return SortedTexts(pa.array(names, pa.string()))


def test_every_text_is_at_its_place_and_no_other_is() -> None:
    column = texts(*NAMES)
    assert [column.find(name) for name in NAMES] == list(range(len(NAMES)))
    assert [column.find(name) for name in ("A", "aa", "zz", "\ud800")] == [-1] * 4
    assert column.places(["z", "y", "a"]).tolist() == [5, -1, 1]
    assert "b" in column
    assert 3 not in column


@pytest.mark.parametrize("nothing", [3, None, "\ud800", ("a",)])
def test_what_no_column_can_hold_is_not_there(nothing: Any) -> None:
    column = texts(*NAMES)
    assert column.find(nothing) == -1
    assert column.places(["z", nothing, "a"]).tolist() == [5, -1, 1]
    assert column != [nothing] * len(NAMES)


def test_they_are_read_like_a_tuple() -> None:
    column = texts(*NAMES)
    assert column == NAMES
    assert (column[0], column[-1], column[2:4], column[::-1]) == (NAMES[0], NAMES[-1], NAMES[2:4], NAMES[::-1])
    assert column != NAMES[:-1]
    assert texts() == ()
    assert hash(column) == hash(NAMES)
    assert (column + ("x",), ("x",) + column) == ((*NAMES, "x"), ("x", *NAMES))  # noqa: RUF005 (what is tested)
    with pytest.raises(IndexError):
        column[len(NAMES)]


def test_a_slice_of_a_table_and_a_pickle_keep_their_places() -> None:
    column = SortedTexts(pa.chunked_array([["a"], ["b", "c"]])[1:])
    again = pickle.loads(pickle.dumps(column))
    assert again == column == ("b", "c")
    assert (again.find("c"), again.find("a")) == (1, -1)
