"""Keywords of the API as the rest of the package expects them: one value where a list is meant, texts for paths, types.

A wrong one is a `ravfeat.errors.UsageError` that names it, before anything is opened or loaded.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from ravfeat.documents import check_value
from ravfeat.errors import UsageError
from ravfeat.remote.store import is_remote

__all__ = [
    "AnyPath",
    "Many",
    "as_layers",
    "as_names",
    "as_pairs",
    "as_path",
    "as_paths",
    "as_place",
    "checked",
    "run_folder",
]

T = TypeVar("T")

AnyPath = str | os.PathLike[str]
Many: TypeAlias = T | Iterable[T]
"""One value, or several."""


def as_names(option: str, value: Many[str]) -> tuple[str, ...]:
    """Give the names of an option that takes one or several; a single text is one name, not its letters.

    Raises
    ------
    UsageError
        For what is no text.
    """
    return tuple(_named(option, name, str, "a name, or a list of names") for name in _several(value))


def as_path(option: str, value: AnyPath | None) -> Path | None:
    """Give the path of an option; None where it is not given.

    Raises
    ------
    UsageError
        For what is no path.
    """
    return None if value is None else Path(_named(option, value, (str, os.PathLike), "a path"))


def as_paths(option: str, value: Many[AnyPath]) -> tuple[Path, ...]:
    """Give the paths of an option that takes one or several.

    Raises
    ------
    UsageError
        For what is no path.
    """
    return tuple(
        Path(_named(option, path, (str, os.PathLike), "a path, or a list of paths")) for path in _several(value)
    )


def as_place(option: str, value: AnyPath) -> Path | str:
    """Give a path, or the address of an object store as it is.

    Raises
    ------
    UsageError
        For what is neither.
    """
    place = _named(option, value, (str, os.PathLike), "a path or an address")
    return place if isinstance(place, str) and is_remote(place) else Path(place)


def as_pairs(option: str, value: Mapping[str, str] | None) -> dict[str, str]:
    """Give the pairs of texts of an option; none where it is not given.

    Raises
    ------
    UsageError
        For what is no mapping of texts.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise UsageError(f"{option}={value!r:.60}: expected a mapping of texts, such as {{'name': 'value'}}")
    return dict(value)


def as_layers(value: str | int | Iterable[int] | None) -> str | None:
    """Write layers as the option ``--layers`` does: ``6``, ``[6, 7]`` and ``range(6, 13)`` too.

    Raises
    ------
    UsageError
        For what is no layer.
    """
    if value is None or isinstance(value, str):
        return value
    numbers = [_plain(number) for number in _several(_plain(value))]
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise UsageError(f"layers={value!r:.60}: expected layer numbers such as 6, [6, 7] or '6-12'")
    return ",".join(map(str, numbers))


def checked(function: str, kind: type[T], **options: Any) -> T:
    """Check the plain options of a function (numbers, switches, choices) against a schema.

    Raises
    ------
    UsageError
        For the first that does not fit.
    """
    values = {name: _plain(value) for name, value in options.items()}
    if odd := [name for name, value in values.items() if not isinstance(value, str | int | float | None)]:
        name = odd[0]
        raise UsageError(f"{function}({name}=…) is of the type '{type(options[name]).__name__}'; see its help()")
    return check_value(values, kind, f"{function}()", UsageError, f"help(ravfeat.{function}) lists what it takes")


def run_folder(out: Path | None, name: str) -> Path:
    """Give the folder of a run: `out`, or one under ``runs/`` with the time and a name, where nothing is yet."""
    if out is not None:
        return out
    first = Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"
    # A loop trains several heads within one second.
    later = (first.with_name(f"{first.name}-{number}") for number in range(2, 10_000))
    return next(path for path in (first, *later) if not path.exists())


def _several(value: Any) -> Sequence[Any]:
    if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
        return [] if value is None else [value]
    return list(value)


def _named(option: str, value: Any, kind: Any, expected: str) -> Any:
    if not isinstance(value, kind) or value == "":
        raise UsageError(f"{option}: {value!r:.60} is not {expected}")
    return value


def _plain(value: Any) -> Any:
    """Give the number of Python that a number of numpy stands for."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
