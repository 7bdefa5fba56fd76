"""JSON held against type annotations."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.runs.decode import decode, read_json


class Point(TypedDict):
    x: float
    name: str | None


@dataclass(frozen=True)
class Shape:
    points: tuple[Point, ...]
    kind: Literal["open", "closed"] = "open"
    folder: Path | None = None
    sizes: Mapping[str, int] | None = None


POINT = {"x": 1, "name": None}


def test_a_value_of_its_schema_is_given_and_keys_that_a_schema_does_not_know_are_passed_over() -> None:
    record = {"points": [POINT | {"later": 1}], "folder": "a/b", "sizes": {"n": 3}, "later": []}
    assert decode(record, Shape) == Shape((POINT | {"later": 1},), "open", Path("a/b"), {"n": 3})
    assert decode([POINT], list[Point]) == [POINT]
    assert decode(2.5, float) == 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": {}}, "points is {}, expected a list"),
        ({"points": [3]}, r"points\[0\] is 3, expected an object"),
        ({"points": [POINT, {"x": 1}]}, r"points\[1\] lacks 'name'"),
        ({"points": [POINT | {"x": "1"}]}, r'points\[0\]\.x is "1", expected a number'),
        ({"points": [POINT | {"x": True}]}, r"points\[0\]\.x is true, expected a number"),
        ({"points": [POINT | {"x": float("nan")}]}, r"points\[0\]\.x is NaN, expected a number"),
        ({"points": [POINT | {"x": 10**400}]}, r"points\[0\]\.x is 10+…, expected a number"),
        ({"points": [POINT | {"name": 7}]}, r"points\[0\]\.name is 7, expected text"),
        ({"kind": "shut"}, 'kind is "shut", expected one of open, closed'),
        ({"kind": ["open"]}, "expected one of open, closed"),
        ({"folder": 1}, "folder is 1, expected a path"),
        ({"sizes": {"n": 1.5}}, r"sizes\.n is 1\.5, expected a whole number"),
        ({"sizes": [1]}, r"sizes is \[1\], expected an object"),
    ],
)
def test_a_value_that_its_schema_does_not_allow_is_refused_by_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode({"points": [POINT]} | change, Shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b'{"points": [', "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"null", "must hold a JSON object, got NoneType"),
        (b"[]", "must hold a JSON object, got list"),
        (b"{}", "it lacks 'points'"),
        (b'{"points": [{"x": 1e999, "name": null}]}', r"points\[0\]\.x is Infinity, expected a number"),
        (b'{"points": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deeply"),
    ],
)
def test_a_damaged_file_is_refused_by_name_with_what_to_do(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_bytes(content)
    with pytest.raises(PredictionsError, match=rf"shape\.json.*{message}.*; draw it again$"):
        read_json(tmp_path / "shape.json", Shape, "draw it again")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"shape\.json is missing; make the run again"):
        read_json(tmp_path / "shape.json", Shape)
