"""JSON and TOML from outside held against typed schemas."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from typing_extensions import TypedDict

from ravfeat.documents import Count, Share, Text, check_value, parse_toml, read_json, read_toml
from ravfeat.errors import HeadError, PredictionsError


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


def check(value: object, kind: Any) -> Any:
    return check_value(value, kind, "shape", PredictionsError, "draw it again")


def read(path: Path, kind: Any = Shape) -> Any:
    return read_json(path, kind, PredictionsError, "draw it again")


def test_a_value_of_its_schema_is_given_without_the_keys_that_the_schema_does_not_know() -> None:
    record = {"points": [POINT | {"later": 1}], "folder": "a/b", "sizes": {"n": 3}, "later": []}
    assert check(record, Shape) == Shape((Point(x=1, name=None),), "open", Path("a/b"), {"n": 3})
    assert check([POINT], list[Point]) == [POINT]
    assert check(2.5, float) == 2.5
    assert check({"of": [1, {"any": None}]}, dict[str, Any]) == {"of": [1, {"any": None}]}


@pytest.mark.parametrize("value", [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 1e30, 2**63 - 1, -(2**63) + 1])
def test_a_number_comes_back_with_every_bit(value: float) -> None:
    assert repr(check({"x": value}, dict[str, Any])["x"]) == repr(value)


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
        ({"points": [POINT | {"name": "\ud800"}]}, r'points\[0\]\.name is "\\ud800", expected Unicode text'),
        ({"sizes": {"a\n\x1b[31m": "1"}}, r'sizes\.a\\n\\x1b\[31m is "1", expected a whole number'),
        ({"\udc00": 1}, r'\\udc00 is "\\udc00", expected Unicode text'),
        ({"later": [{"x": 10**400}]}, r"later\[0\]\.x is 10+…, expected a number"),
        ({"kind": "shut"}, "kind is \"shut\", expected 'open' or 'closed'"),
        ({"kind": ["open"]}, "expected 'open' or 'closed'"),
        ({"folder": 1}, "folder is 1, expected text"),
        ({"sizes": {"n": 1.5}}, r"sizes\.n is 1\.5, expected a whole number"),
        ({"sizes": [1]}, r"sizes is \[1\], expected an object"),
    ],
)
def test_a_value_that_its_schema_does_not_allow_is_refused_by_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictionsError, match=rf"^shape: .*{message}; draw it again$"):
        check({"points": [POINT]} | change, Shape)


def test_only_the_first_of_many_wrong_values_is_told() -> None:
    with pytest.raises(PredictionsError, match=r"^shape: \[0\] is 1, expected an object; draw it again$") as caught:
        check([1] * 100_000, list[Point])
    assert caught.value.__cause__.error_count() == 1  # a message for each would take gigabytes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b'{"points": [', "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"null", "it is null, expected an object"),
        (b"[]", r"it is \[\], expected an object"),
        (b"[" + b"[]," * 100_000 + b"[]]", r"it is \[\[\], .*…, expected an object"),
        (b'{"points": [], "points": []}', 'is not valid JSON \\("points" stands twice in one object\\)'),
        (b'{"points": ' + b"9" * 5000 + b"}", "is not valid JSON .*5000 digits"),
        (b"{}", "it lacks 'points'"),
        (b'{"points": [{"x": 1e999, "name": null}]}', r"points\[0\]\.x is Infinity, expected a number"),
        (b'{"points": [], "later": ' + b"[" * 150 + b"]" * 150 + b"}", "is nested too deeply"),
        (b'{"points": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deeply"),
    ],
)
def test_a_damaged_file_is_refused_by_name_with_what_to_do(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_bytes(content)
    with pytest.raises(PredictionsError, match=rf"shape\.json.*{message}.*; draw it again$"):
        read(tmp_path / "shape.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"points = [", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"points = []\npoints = []", "is not valid TOML"),
        (b"points = [{x = nan, name = 'a'}]", r"points\[0\]\.x is NaN, expected a number"),
        (b"points = [{x = 1}]", r"points\[0\] lacks 'name'"),
        (b"points = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply"),
        (b"a" + b".a" * 100_000 + b" = 1", "is nested too deeply"),  # took minutes
        (b'"\\""' + b' . "\\""' * 30_000 + b" = 1", "is nested too deeply"),
        (b"[a" + b".a" * 100_000 + b"]", "is nested too deeply"),
        (b"a = {" + b"b." * 100_000 + b"c = 1}", "is nested too deeply"),
        (b"#" * (5 << 20), "has 5242880 bytes, expected at most 4194304"),
    ],
)
def test_damaged_toml_is_refused_by_name_with_what_to_do(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "shape.toml").write_bytes(content)
    before = time.monotonic()
    with pytest.raises(HeadError, match=rf"shape\.toml.*{message}.*; draw it again$"):
        read_toml(tmp_path / "shape.toml", Shape, HeadError, "draw it again")
    assert time.monotonic() - before < 5


def test_dotted_keys_and_texts_with_dots_are_read() -> None:
    text = b'a.b.c = "' + b"a." * 100 + b'"\n[d . "e".f]\ng = [1.5, 2.5]'
    value = parse_toml(text, dict[str, Any], "shape", HeadError, "")
    assert value == {"a": {"b": {"c": "a." * 100}}, "d": {"e": {"f": {"g": [1.5, 2.5]}}}}


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (0, Count, "it is 0, expected greater than or equal to 1"),
        (1.0, Share, "it is 1.0, expected less than 1"),
        ("", Text, 'it is "", expected a text that is not empty'),
    ],
)
def test_a_value_outside_its_bounds_is_refused(value: object, kind: Any, message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        check(value, kind)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "is missing"),
        (lambda path: path.symlink_to(path.name + "-gone"), "is missing"),
        (Path.mkdir, r"cannot be read \(Is a directory\)"),
        (os.mkfifo, "is not a regular file"),
        (make_device, "is not a regular file"),
        (lambda path: path.symlink_to(path), r"cannot be read \(Too many levels of symbolic links\)"),
        (lambda path: path.write_bytes(b"[" + b" " * 100 + b"]"), "has 102 bytes, expected at most 100"),
    ],
)
def test_what_is_no_regular_file_of_usual_size_is_refused(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "shape.json"
    make(path)
    with pytest.raises(PredictionsError, match=rf"shape\.json {message}; draw it again$"):
        read_json(path, list[Point], PredictionsError, "draw it again", limit=100)
