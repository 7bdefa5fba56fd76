"""Short texts of values in a terminal and a notebook: `short_repr` for dataclasses that hold thousands of things."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import Any, TypeVar

__all__ = ["LONGEST", "short_repr"]

T = TypeVar("T")

LONGEST = 400
"""Characters of the whole text."""

_PART = 60
_SHOWN = 4


def short_repr(kind: type[T]) -> type[T]:
    """Let instances of a dataclass be shown in few characters: what is long is counted, arrays by their shape.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @short_repr
    ... @dataclass(frozen=True)
    ... class Names:
    ...     names: tuple[str, ...]
    >>> Names(("ann", "bob")), Names(("ann",) * 1000)
    (Names(names=('ann', 'bob')), Names(names=<1000 in a tuple>))
    """
    kind.__repr__ = _repr  # type: ignore[method-assign]
    return kind


def _repr(self: Any) -> str:
    shown = (f"{field.name}={_short(getattr(self, field.name))}" for field in fields(self) if field.repr)
    return _cut(f"{type(self).__qualname__}({', '.join(shown)})", LONGEST)


def _short(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, str):
        return _cut(repr(value[: _PART + 1]), _PART)
    if isinstance(value, PurePath):
        return repr(str(value)) if len(str(value)) < _PART else f"'…{str(value)[-_PART:]}'"
    if hasattr(value, "shape"):
        dtype = f", {value.dtype}" if hasattr(value, "dtype") else ""
        return f"<{name} {tuple(value.shape)}{dtype}>"
    if isinstance(value, Mapping) and len(value) <= _SHOWN:
        return "{" + ", ".join(f"{_short(key)}: {_short(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple) and len(value) <= _SHOWN and not hasattr(value, "_fields"):
        parts = ", ".join(map(_short, value))
        return f"[{parts}]" if isinstance(value, list) else f"({parts}{',' * (len(value) == 1)})"
    if isinstance(value, Collection) and len(value) > _SHOWN:
        return f"<{len(value)} in a {name}>"
    return _cut(repr(value), 2 * _PART)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 2]} …"
