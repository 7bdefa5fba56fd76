"""Check documents from outside (JSON, TOML) against a typed schema; every error names the file and the field.

A schema is a type: a frozen dataclass, a TypedDict (of ``typing_extensions``), ``list[...]``, ``Literal[...]`` and so
on. Types are strict (``true`` is no number, ``"1"`` neither), numbers are finite, and keys that a schema does not know
are passed over, as later versions may add some. pydantic does the checking; nothing else here parses a document.
"""

import json
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ravfeat.errors import RavfeatError
from ravfeat.files import read_limited

__all__ = ["MAX_BYTES", "check_value", "parse_json", "read_json", "read_toml"]

MAX_BYTES = 256 << 20
"""Largest document that is read; parsing takes some ten times as much memory."""

T = TypeVar("T")

_SHOWN = 60
_WORDS = {
    "string_type": "text", "int_type": "a whole number", "float_type": "a number", "finite_number": "a number",
    "bool_type": "true or false", "path_type": "a path", "list_type": "a list", "tuple_type": "a list",
    "dict_type": "an object", "mapping_type": "an object", "dataclass_type": "an object", "int_from_float":
    "a whole number", "dict_attributes_type": "an object", "typed_dict_type": "an object", "int_parsing_size":
    "a whole number of usual size",
}  # fmt: skip


def read_json(path: Path, kind: type[T], error: type[RavfeatError], remedy: str, *, limit: int = MAX_BYTES) -> T:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
    kind : type
        Schema, such as ``list[MetricRecord]``.
    error : type of RavfeatError
        What to raise.
    remedy : str
        What to do about a damaged file; ends the message.
    limit : int
        Largest size in bytes.

    Raises
    ------
    RavfeatError
        Of the type `error`: where the file is missing, is no regular file, is larger than `limit`, is not JSON, or does
        not fit the schema.
    """
    return parse_json(read_limited(path, limit, error, remedy), kind, str(path), error, remedy)


def read_toml(path: Path, kind: type[T], error: type[RavfeatError], remedy: str, *, limit: int = MAX_BYTES) -> T:
    """Read a TOML file; as `read_json`."""
    data = read_limited(path, limit, error, remedy)
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except RecursionError as problem:
        raise error(f"{path} is nested too deeply for what it should hold; {remedy}") from problem
    except ValueError as problem:
        raise error(f"{path} is not valid TOML ({problem}); {remedy}") from problem
    return check_value(value, kind, str(path), error, remedy)


def parse_json(data: bytes | str, kind: type[T], where: str, error: type[RavfeatError], remedy: str) -> T:
    """Parse JSON text; `where` says in messages what it is. See `read_json`."""
    try:
        value = json.loads(data)
    except RecursionError as problem:
        raise error(f"{where} is nested too deeply for what it should hold; {remedy}") from problem
    except ValueError as problem:
        raise error(f"{where} is not valid JSON ({problem}); {remedy}") from problem
    return check_value(value, kind, where, error, remedy)


def check_value(value: object, kind: type[T], where: str, error: type[RavfeatError], remedy: str) -> T:
    """Check a value as `json.loads` and `tomllib.loads` give them, and give it as its type; see `read_json`."""
    from pydantic_core import PydanticSerializationError, ValidationError, to_json

    try:
        if problem := _unusual_number(value, ""):
            raise error(f"{where}: {problem}; {remedy}")
        # As JSON again: there, lists are tuples and texts are paths, even where types are strict.
        checked: T = _adapter(kind).validate_json(to_json(value), strict=True)
    except ValidationError as invalid:
        raise error(f"{where}: {_sentence(invalid.errors(include_url=False)[0])}; {remedy}") from invalid
    except (RecursionError, PydanticSerializationError, ValueError) as invalid:
        raise error(f"{where} is nested too deeply or holds what JSON cannot; {remedy}") from invalid
    return checked


@lru_cache
def _adapter(kind: Any) -> Any:
    # Takes a quarter of a second to import: not before a document is read.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _unusual_number(value: object, place: str) -> str:
    """Name the first number that is infinite, not a number, or longer than 64 bits."""
    if isinstance(value, dict):
        parts = ((f"{place}.{name}" if place else str(name), part) for name, part in value.items())
    elif isinstance(value, list):
        parts = ((f"{place}[{number}]", part) for number, part in enumerate(value))
    else:
        usual = not isinstance(value, int | float) or abs(value) < 1 << 63  # false for NaN too
        return "" if usual else f"{place or 'it'} is {_shown(value)}, expected a number"
    return next(filter(None, (_unusual_number(part, name) for name, part in parts)), "")


def _shown(value: object) -> str:
    # The reader of a message looks for it in the file, so it is shown as the file writes it.
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _sentence(problem: Any) -> str:
    """Say what is wrong at which place, in the words of the file."""
    steps, field = problem["loc"], ""
    for step in steps[:-1] if problem["type"] == "missing" else steps:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
    if problem["type"] == "missing":
        return f"{field or 'it'} lacks '{steps[-1]}'"
    wanted = _WORDS.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    return f"{field or 'it'} is {_shown(problem['input'])}, expected {wanted}"
