"""Plain values as TOML text, for the standard library to read back.

Offers
------
toml_text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ravfeat.errors import HeadError

__all__ = ["toml_text"]


def toml_text(document: Mapping[str, Any]) -> str:
    """Write a document: plain values first, then tables; a list of mappings becomes an array of tables.

    Raises
    ------
    HeadError
        For a value that TOML has no word for.

    Examples
    --------
    >>> print(toml_text({"name": "a", "systems": [{"seeds": [0, 1]}]}), end="")
    name = "a"
    <BLANKLINE>
    [[systems]]
    seeds = [0, 1]
    """
    return "\n".join(_table(document)) + "\n"


def _table(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not _is_table(value)]
    for key, value in table.items():
        name = f"{prefix}{_key(key)}"
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_table(value, f"{name}.")]
        elif _is_table(value):
            lines += [line for one in value for line in ("", f"[[{name}]]", *_table(one, f"{name}."))]
    return lines


def _is_table(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)  # a JSON string is a TOML basic string
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise HeadError(f"a recipe holds plain values only, got {type(value).__name__}: {value!r}")
