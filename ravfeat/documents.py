"""Check documents from outside (JSON, TOML) against a typed schema; every error names the file and the field.

A schema is a type: a frozen dataclass, a TypedDict (of ``typing_extensions``), ``list[...]``, ``Literal[...]`` and so
on. Types are strict (``true`` is no number, ``"1"`` neither), numbers are finite, a key stands once in an object, and
keys that a schema does not know are passed over, as later versions may add some: a TypedDict comes back without them.
pydantic does the checking; nothing else here parses a document.
"""

import json
import math
import re
import tomllib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from annotated_types import Ge, Gt, Le, Lt, MinLen

from ravfeat.errors import RavfeatError
from ravfeat.escape import printable
from ravfeat.files import read_limited

__all__ = [
    "MAX_BYTES",
    "MAX_TOML_BYTES",
    "Between",
    "Bytes",
    "Count",
    "Index",
    "NotEmpty",
    "Positive",
    "Share",
    "Text",
    "check_value",
    "parse_json",
    "parse_toml",
    "read_json",
    "read_toml",
]

MAX_BYTES = 64 << 20
"""Largest document that is read; parsing takes up to thirty times as much memory."""

MAX_TOML_BYTES = 4 << 20
"""Largest TOML file; its parser is written in Python and takes seconds for it."""

Count = Annotated[int, Ge(1), Le(1 << 31)]
Index = Annotated[int, Ge(0), Le(1 << 31)]
Positive = Annotated[float, Gt(0)]
Bytes = Annotated[int, Ge(0), Le(1 << 50)]
Share = Annotated[float, Ge(0), Lt(1)]
Between = Annotated[float, Gt(0), Lt(1)]
Text = Annotated[str, MinLen(1)]
NotEmpty = MinLen(1)
"""Of a list: ``Annotated[list[Text], NotEmpty]``."""

T = TypeVar("T")

# tomllib takes time quadratic in the parts of a dotted key: 60 kB of "a.a.a…" take half a minute.
_KEY = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+"""
_DEEP_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*+{_KEY}(?:\.[ \t]*+{_KEY}){{16}}", re.MULTILINE)

_SHOWN = 60
_DEEPEST = 100
_SHAPES = {
    "list_type", "tuple_type", "dict_type", "mapping_type", "dataclass_type", "typed_dict_type", "missing", "bool_type",
    "literal_error", "too_short", "string_too_short",
}  # fmt: skip
_TOO_DEEP = "is nested too deeply for what it should hold"
_WORDS = {
    "string_type": "text", "int_type": "a whole number", "float_type": "a number", "finite_number": "a number",
    "bool_type": "true or false", "list_type": "a list", "tuple_type": "a list",
    "string_too_short": "a text that is not empty", "too_short": "at least one entry",
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


def read_toml(path: Path, kind: type[T], error: type[RavfeatError], remedy: str, *, limit: int = MAX_TOML_BYTES) -> T:
    """Read a TOML file; as `read_json`."""
    return parse_toml(read_limited(path, limit, error, remedy), kind, str(path), error, remedy)


def parse_toml(data: bytes, kind: type[T], where: str, error: type[RavfeatError], remedy: str) -> T:
    """Parse TOML text; `where` says in messages what it is. See `read_json`."""
    try:
        text = data.decode("utf-8")
        if _DEEP_KEY.search(text):
            raise error(f"{where} {_TOO_DEEP}; {remedy}")
        value = tomllib.loads(text)
    except RecursionError as problem:
        raise error(f"{where} {_TOO_DEEP}; {remedy}") from problem
    except ValueError as problem:
        raise error(f"{where} is not valid TOML ({problem}); {remedy}") from problem
    return check_value(value, kind, where, error, remedy)


def parse_json(data: bytes | str, kind: type[T], where: str, error: type[RavfeatError], remedy: str) -> T:
    """Parse JSON text; `where` says in messages what it is. See `read_json`."""
    _refuse_other_shapes(data, kind, where, error, remedy)
    try:
        value = json.loads(data, object_pairs_hook=_object)
    except RecursionError as problem:
        raise error(f"{where} {_TOO_DEEP}; {remedy}") from problem
    except ValueError as problem:
        raise error(f"{where} is not valid JSON ({problem}); {remedy}") from problem
    return check_value(value, kind, where, error, remedy)


def _refuse_other_shapes(data: bytes | str, kind: Any, where: str, error: type[RavfeatError], remedy: str) -> None:
    """Refuse what does not fit at all before it becomes millions of Python objects; the rest is looked at again."""
    from pydantic_core import ValidationError

    try:
        _validator(kind).validate_json(data, strict=True)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False)[0]
        if problem["type"] in _SHAPES:
            raise error(f"{where}: {_sentence(problem)}; {remedy}") from invalid


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):  # of two values every reader would take another one
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{_shown(name)} stands twice in one object")
    return value


def check_value(value: object, kind: type[T], where: str, error: type[RavfeatError], remedy: str) -> T:
    """Check a value as `json.loads` and `tomllib.loads` give them, and give it as its type; see `read_json`."""
    from pydantic_core import ValidationError, to_json

    try:
        if problem := _unusual(value):
            place, fault = problem
            if fault == _TOO_DEEP:
                raise error(f"{where} {fault}; {remedy}")
            raise error(f"{where}: {printable(place.removeprefix('.')) or 'it'} {fault}; {remedy}")
        # As JSON again: there, lists are tuples and texts are paths, even where types are strict.
        checked: T = _validator(cast("Any", kind)).validate_json(to_json(value), strict=True)
    except ValidationError as invalid:
        raise error(f"{where}: {_sentence(invalid.errors(include_url=False)[0])}; {remedy}") from invalid
    return checked


@lru_cache
def _validator(kind: Any) -> Any:
    # Takes a quarter of a second to import: not before a document is read.
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    # One error is enough: a list of a million wrong values would fill the memory with a million errors.
    return SchemaValidator(_stopping_at_first(TypeAdapter(kind).core_schema))


def _stopping_at_first(schema: Any) -> Any:
    if isinstance(schema, dict):
        first = {"fail_fast": True} if schema.get("type") in ("list", "tuple", "dict") else {}
        return {name: _stopping_at_first(part) for name, part in schema.items()} | first
    return [_stopping_at_first(part) for part in schema] if isinstance(schema, list) else schema


def _unusual(value: object, depth: int = 0) -> tuple[str, str] | None:
    """Find what no schema allows (broken text, a number without end or of over 64 bits, deep nesting): place, fault."""
    if depth > _DEEPEST:
        return "", _TOO_DEEP
    if isinstance(value, dict):
        for name, part in value.items():
            if problem := _unusual(name) or _unusual(part, depth + 1):
                return f".{name}{problem[0]}", problem[1]
    elif isinstance(value, list):
        for number, part in enumerate(value):
            if type(part) is str and part.isascii():  # most of a long document
                continue
            if problem := _unusual(part, depth + 1):
                return f"[{number}]{problem[0]}", problem[1]
    elif isinstance(value, str):
        # Half of a surrogate pair: it can be written to no file and to no terminal.
        return None if _is_text(value) else ("", f"is {_shown(value)}, expected Unicode text")
    elif isinstance(value, int | float):
        usual = math.isfinite(value) if isinstance(value, float) else abs(value) < 1 << 63
        return None if usual else ("", f"is {_shown(value)}, expected a number")
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    # The reader of a message looks for it in the file, so it is shown as the file writes it.
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        text += piece
        if len(text) > _SHOWN:
            return printable(text[:_SHOWN]) + "…"
    return printable(text)


def _sentence(problem: Any) -> str:
    """Say what is wrong at which place, in the words of the file."""
    steps, field = problem["loc"], ""
    for step in steps[:-1] if problem["type"] == "missing" else steps:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
    field = printable(field)  # a key may hold anything
    if problem["type"] == "missing":
        return f"{field or 'it'} lacks '{steps[-1]}'"
    wanted = _WORDS.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    return f"{field or 'it'} is {_shown(problem['input'])}, expected {wanted}"
