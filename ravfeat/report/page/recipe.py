"""A run's recipe in a form that a person reads: short lists on one line, long ones cut."""

import json
import re
from collections.abc import Mapping

__all__ = ["readable"]

_LONGEST_LIST = 30
_LONGEST_LIST_OF_OBJECTS = 3
_PLAIN_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
_BREAK = re.compile(r"\n\s*")


def readable(recipe: Mapping[str, object]) -> str:
    """Give indented JSON with sorted keys; what was cut says how much there was."""
    text = json.dumps(_cut(recipe), indent=2, ensure_ascii=False, sort_keys=True)
    return _PLAIN_LIST.sub(lambda found: f"[{_BREAK.sub(' ', found[1])}]", text)


def _cut(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _cut(part) for name, part in value.items()}
    if not isinstance(value, list):
        return value
    nested = any(isinstance(part, Mapping | list) for part in value)
    longest = _LONGEST_LIST_OF_OBJECTS if nested else _LONGEST_LIST
    if len(value) <= longest:
        return [_cut(part) for part in value]
    return [*map(_cut, value[: 1 if nested else longest]), f"and {len(value) - (1 if nested else longest)} more"]
