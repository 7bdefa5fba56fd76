"""``groups.json``: written with a run, read, joined, and refused where it contradicts itself."""

import json

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.runs.groups_file import groups_record, joined_columns, read_groups

COLUMNS = {"gender": {"a": "male", "b": "female"}, "room": {"b": "x", "c": "y"}}


def write(folder, **changes) -> None:
    (folder / "groups.json").write_text(json.dumps({**groups_record(COLUMNS), **changes}))


def test_columns_come_back(tmp_path) -> None:
    assert read_groups(tmp_path) == {}
    write(tmp_path)
    assert read_groups(tmp_path) == COLUMNS
    assert groups_record(COLUMNS)["columns"]["room"] == [None, "x", "y"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clips": ["a", "a", "c"]}, "names a clip twice"),
        ({"clips": ["a"]}, "has 3 values of 'gender' for 1 clips"),
        ({"clips": []}, "at least one entry"),
        ({"clips": "abc"}, "a list"),
        ({"columns": {"gender": [1, 2, 3]}}, "text"),
        ({"columns": []}, "an object"),
        ({"format_version": 2}, "format_version is 2"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, changes, said) -> None:
    write(tmp_path, **changes)
    with pytest.raises(PredictionsError, match=said):
        read_groups(tmp_path)


def test_of_several_the_first_one_holds() -> None:
    assert joined_columns([{"x": {"a": "1"}}, {"x": {"a": "2", "b": "3"}, "y": {"a": "4"}}]) == {
        "x": {"a": "1", "b": "3"},
        "y": {"a": "4"},
    }
