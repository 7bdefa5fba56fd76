"""Values are shown in few characters, whatever they hold."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import ravfeat
from ravfeat.short_repr import LONGEST, short_repr
from ravfeat.texts import SortedTexts

BY_ITSELF = {
    "Arrays": "tested with real ones",
    "PublishedHead": "cut by hand, see there",
    "Reading": "its text is the key of what a sweep has read, and holds a few names",
}
DOCS = Path(__file__).parents[1] / "docs" / "api"
MANY = [f"03-01-01-01-01-01-{number:06d}" for number in range(2000)]


def public_dataclasses() -> Iterator[type]:
    """Every dataclass that a page of docs/api shows, and the package's own names."""
    named = {line for page in DOCS.glob("*.md") for line in re.findall(r"automodule:: (\S+)", page.read_text())}
    for module in ["ravfeat", *sorted(named)]:
        room = import_module(module)
        for name in getattr(room, "__all__", ()):
            value = getattr(room, name)
            if inspect.isclass(value) and is_dataclass(value) and value.__name__ not in BY_ITSELF:
                yield value


def long_value(annotation: str) -> Any:
    """Something long that a field with this annotation may hold."""
    for word, value in (
        ("Table", pa.table({"clip_id": MANY})),
        ("SortedTexts", SortedTexts(pa.array(MANY))),
        ("NDArray", np.zeros((2000, 3))),
        ("Mapping", dict.fromkeys(MANY, MANY)),
        ("dict", dict.fromkeys(MANY, MANY)),
        ("list", [MANY] * 2000),
        ("tuple", tuple(MANY)),
        ("Sequence", tuple(MANY)),
        ("Path", Path("/".join(MANY[:50]))),
        ("str", MANY[0] * 100),
    ):
        if annotation.startswith((word, f"{word}[")) or f"| {word}" in annotation:
            return value
    return MANY if annotation[:1].isupper() else 1234567


@pytest.mark.parametrize("kind", dict.fromkeys(public_dataclasses()), ids=lambda kind: kind.__qualname__)
def test_every_public_value_is_short(kind) -> None:
    value = object.__new__(kind)
    for field in fields(kind):
        object.__setattr__(value, field.name, long_value(str(field.type)))
    assert len(repr(value)) <= 500


def test_what_is_short_is_shown_as_it_is() -> None:
    @short_repr
    @dataclass(frozen=True)
    class Row:
        name: str
        numbers: tuple[int, ...]
        about: dict[str, float]

    row = Row("a", (1,), {"b": 0.5})
    assert repr(row).endswith("Row(name='a', numbers=(1,), about={'b': 0.5})")
    assert len(repr(Row("x" * 10**7, tuple(range(10**6)), dict.fromkeys(map(str, range(10**5)), 0.0)))) < LONGEST


def test_a_cache_and_what_it_holds_are_short(whole_cache) -> None:
    cache = ravfeat.open_cache(whole_cache)
    arrays = cache.arrays(layers=0)
    for value in (cache, cache.clip_ids, cache.planned_manifest, cache.records()[cache.clip_ids[0]], arrays):
        assert len(repr(value)) <= 500
