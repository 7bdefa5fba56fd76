"""Plain values as TOML, read back by the standard library."""

import tomllib

import pytest

from ravfeat.errors import HeadError
from ravfeat.tomltext import toml_text


def test_what_is_written_is_read_back() -> None:
    document = {
        "text": 'a "b"\n\\',
        "whole": 3,
        "real": 1e-7,
        "yes": True,
        "list": [1, 2],
        "none": [],
        "table": {"odd key": 1.5, "inner": {"x": "y"}},
        "many": [{"a": 1, "deep": {"b": [0.1]}, "more": [{"c": 2}, {"c": 3}]}, {"a": 2}],
        "after": "a plain value behind a table",
    }
    assert tomllib.loads(toml_text(document)) == document


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(HeadError, match="plain values only, got NoneType: None"):
        toml_text({"a": None})
