"""Validate JSON against type annotations: TypedDicts, frozen dataclasses, and the types that JSON knows.

One schema serves the type checker, the reader and whoever looks up what a file holds.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

from ravfeat.errors import PredictionsError

__all__ = ["AGAIN", "decode", "read_json"]

AGAIN = "make the run again"

T = TypeVar("T")

_SHOWN = 60
_WORDS: Mapping[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path", list: "a list",
    tuple: "a list", Mapping: "an object",
}  # fmt: skip


class _Misfit(ValueError):
    """A value that its schema does not allow; the message says where it stands."""


def read_json(path: Path, kind: type[T], remedy: str = AGAIN) -> T:
    """Read a JSON file and hold it against a schema.

    Parameters
    ----------
    path : Path
    kind : type
        Such as ``list[MetricRecord]``; see `decode`.
    remedy : str
        What to do about a damaged file; ends the message.

    Raises
    ------
    PredictionsError
        Where the file is missing, is not JSON, or lacks a key or holds a value that the schema does not allow; the
        message names file, place and key.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} is missing; {remedy}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        top = get_origin(kind) or kind
        outer = list if top in (list, tuple) else dict
        if not isinstance(value, outer):
            wanted = "list" if outer is list else "object"
            raise PredictionsError(f"{path} must hold a JSON {wanted}, got {type(value).__name__}; {remedy}")
        return decode(value, kind)
    except _Misfit as error:
        raise PredictionsError(f"{path}: {error}; {remedy}") from error
    except ValueError as error:
        raise PredictionsError(f"{path} is not valid JSON ({error}); {remedy}") from error
    except RecursionError as error:
        raise PredictionsError(f"{path} is nested too deeply for what it should hold; {remedy}") from error


def decode(value: Any, kind: type[T], where: str = "") -> T:
    """Hold a value that came from JSON against a type, and give it as that type.

    Parameters
    ----------
    value : object
    kind : type
        A TypedDict (the very dict is given back), a dataclass (made from the keys that are its fields), ``str``,
        ``int``, ``float`` (finite), ``bool``, ``Path``, ``Any``, a Literal, ``X | None``, or a list, tuple or Mapping
        of these. Keys that a schema does not know are passed over: later versions may add some.
    where : str
        Where the value stands in its file, for messages.

    Raises
    ------
    ValueError
        Naming the place.
    """
    decoded: T = _decode(value, kind, where)
    return decoded


def _decode(value: Any, kind: Any, where: str) -> Any:
    outer, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if NoneType in inner:
        (kind,) = (part for part in inner if part is not NoneType)
        return None if value is None else _decode(value, kind, where)
    if outer is Literal:
        return _check(value, isinstance(value, str) and value in inner, where, f"one of {', '.join(inner)}")
    if outer in (list, tuple):
        _check(value, isinstance(value, list), where, _WORDS[list])
        return outer(_decode(part, inner[0], f"{where}[{number}]") for number, part in enumerate(value))
    if outer in (dict, Mapping):
        _check(value, isinstance(value, dict), where, _WORDS[Mapping])
        return {name: _decode(part, inner[1], _join(where, name)) for name, part in value.items()}
    if is_typeddict(kind) or is_dataclass(kind):
        return _decode_fields(value, kind, where)
    return _check_plain(value, kind, where)


def _decode_fields(value: Any, kind: Any, where: str) -> Any:
    _check(value, isinstance(value, dict), where, _WORDS[Mapping])
    hints, required = _schema(kind)
    for name in required:
        if name not in value:
            raise _Misfit(f"{where or 'it'} lacks '{name}'")
    decoded = {name: _decode(value[name], hints[name], _join(where, name)) for name in hints if name in value}
    return value if is_typeddict(kind) else kind(**decoded)


@lru_cache
def _schema(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the types of a schema's keys, and which of them must be there."""
    hints = get_type_hints(kind)
    if is_typeddict(kind):
        return hints, tuple(name for name in hints if name in kind.__required_keys__)
    optional = {key.name for key in fields(kind) if key.default is not MISSING or key.default_factory is not MISSING}
    return hints, tuple(name for name in hints if name not in optional)


def _check_plain(value: Any, kind: Any, where: str) -> Any:
    fits = isinstance(value, str if kind is Path else kind)
    if kind is float:
        fits = isinstance(value, int | float) and _is_finite(value)
    if kind is not bool and isinstance(value, bool):  # to Python, true is the number 1
        fits = False
    _check(value, fits, where, _WORDS[kind])
    return Path(value) if kind is Path else value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON knows whole numbers of any length
        return False


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _check(value: Any, fits: bool, where: str, wanted: str) -> Any:  # noqa: FBT001 (what was tested, not a switch)
    if not fits:
        # The reader of a message looks for it in the file, so it is shown as the file writes it.
        shown = json.dumps(value, ensure_ascii=False, default=str)
        raise _Misfit(f"{where} is {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}, expected {wanted}")
    return value
