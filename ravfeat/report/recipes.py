"""The section with each run's recipe as JSON that a person reads: short lists on one line, long ones cut."""

import json
import re
from collections.abc import Mapping, Sequence

from ravfeat.report.page.document import Section
from ravfeat.runs.read import Run

__all__ = ["readable", "recipes_section"]

_LONGEST_LIST = 30
_LONGEST_LIST_OF_OBJECTS = 3
_PLAIN_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
_BREAK = re.compile(r"\n\s*")


def recipes_section(runs: Sequence[Run]) -> Section:
    """Show the recipe of every run."""
    parts = tuple(
        Section(f"run-{number}", run.name, code=readable(run.recipe.record), leaky=run.predictions.leaky)
        for number, run in enumerate(runs, start=1)
    )
    why = "The recipe of every run; long lists are cut here and whole in its recipe.json."
    return Section("recipes", "How it was made", paragraphs=(why,), subsections=parts)


def readable(recipe: Mapping[str, object]) -> str:
    """Give indented JSON with sorted keys; what was cut says how much there was."""
    text = json.dumps(_cut(recipe), indent=2, ensure_ascii=False, sort_keys=True)
    return _PLAIN_LIST.sub(lambda match: f"[{_BREAK.sub(' ', match[1])}]", text)


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
