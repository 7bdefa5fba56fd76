"""Choose clips by an expression over their columns: ``label != 'boredom' and session != 5``.

Grammar
-------
::

    condition  = part {"or" part}            part = term {"and" term}
    term       = "not" term | "(" condition ")" | comparison
    comparison = column ("==" | "!=" | "<" | "<=" | ">" | ">=") value
               | column ["not"] "in" "(" value {"," value} ")"
    value      = 'text' | "text" | number
    column     = name | `name with spaces`

Nothing is ever run: an expression is taken apart here, and compares columns with values.

Conventions
-----------
Text is compared as it is written, case and all. A number equals every cell that is that number, in a column of text
too: 5 is "5", "05" and "5.0". Quoted numbers compare with columns of numbers. ``<`` and the like compare numbers only.
An empty cell equals nothing but ``''``, so that ``session != 5`` keeps clips without a session and ``session != ''``
leaves them out; no ``<`` or ``>`` is true of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ravfeat.corpora.columns import find_column
from ravfeat.corpora.tables import cell_text
from ravfeat.errors import UsageError

__all__ = ["Where"]

_LONGEST = 2000
_DEEPEST = 50
_SHOWN = 12

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")
    |(?P<quoted>`[^`]+`)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>==|!=|<=|>=|<|>|[(),]))""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in"})
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_HINTS = {
    "=": "write == to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "~": "write 'not'",
    "!": "write 'not', or != to compare",
    "'": "a quote is opened and not closed",
    '"': "a quote is opened and not closed",
    "`": "a backtick is opened and not closed",
    "[": "lists stand in round brackets: label in ('a', 'b')",
}

Value = str | float
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int

    def __str__(self) -> str:
        return f"'{self.text}' at character {self.place + 1}" if self.kind else "the end"


@dataclass(frozen=True)
class _Comparison:
    """A column held against one or more values; ``in`` is an equality with several."""

    column: str
    sign: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class _Joined:
    """Conditions under ``and``, ``or``, or one under ``not``."""

    word: str
    parts: tuple["_Condition", ...]


_Condition = _Comparison | _Joined


@dataclass(frozen=True)
class Where:
    """A condition on the columns of clips; make one with `Where.parse`.

    Attributes
    ----------
    text : str
        As it was written.

    Examples
    --------
    >>> table = pa.table({"label": ["happy", "bored", "sad"], "session": [1.0, 1.0, 2.0]})
    >>> Where.parse("label != 'bored' and session < 2").rows(table).tolist()
    [True, False, False]
    """

    text: str
    _condition: _Condition = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Where":
        """Read an expression.

        Raises
        ------
        UsageError
            Where it is none, naming the place; or it is longer than 2000 characters or nested more than 50 deep.
        """
        return cls(text, _Parser(text).parsed())

    def rows(self, table: pa.Table) -> Mask:
        """Tell of every row of a table of `ravfeat.corpora.columns.clip_columns` whether the condition holds.

        Returns
        -------
        ndarray of bool, shape (N,)

        Raises
        ------
        UsageError
            For a column or a value that there is not, and a comparison that can never be true.
        """
        return self.rows_of([table])[0]

    def rows_of(self, tables: Sequence[pa.Table]) -> list[Mask]:
        """Do as `rows` for several tables of one corpus; a value must be in one of them, a column in all."""
        columns = {name: _Column.of(self.text, name, tables) for name in sorted(_columns_in(self._condition))}
        rows = _rows_where(self._condition, columns, self.text)
        return np.split(rows, np.cumsum([len(table) for table in tables])[:-1])

    def empty_cells(self, table: pa.Table) -> dict[str, int]:
        """Count the clips without a value, by column of the condition; columns without such clips are not named."""
        names = sorted(_columns_in(self._condition))
        counts = {name: find_column(table, name, f"where {self.text!r}").null_count for name in names}
        return {name: count for name, count in counts.items() if count}


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _LONGEST:
            raise UsageError(f"where: the condition has {len(text)} characters; expected at most {_LONGEST}")
        self.tokens = list(self._split())
        self.next = 0
        self.depth = 0

    def _split(self) -> Iterator[_Token]:
        place = 0
        while self.text[place:].strip():
            match = _TOKEN.match(self.text, place)
            if match is None:
                rest = self.text[place:].lstrip()
                hint = _HINTS.get(rest[0], "expected a column, a value, a comparison or a bracket")
                raise UsageError(
                    f"where {self.text!r}: cannot read {rest[:12]!r} at character"
                    f" {len(self.text) - len(rest) + 1}: {hint}"
                )
            group = str(match.lastgroup)
            text = match[group]
            yield _Token(text if text in _KEYWORDS and group == "name" else group, text, match.start(group))
            place = match.end()
        yield _Token("", "", len(self.text))

    def refuse(self, expected: str) -> NoReturn:
        token = self.tokens[self.next]
        raise UsageError(
            f"where {self.text!r}: expected {expected}, got {token}; an example: label != 'calm' and session in (1, 2)"
        )

    def take(self, *kinds: str) -> _Token | None:
        token = self.tokens[self.next]
        if token.kind in kinds or (token.kind == "sign" and token.text in kinds):
            self.next += 1
            return token
        return None

    def parsed(self) -> _Condition:
        condition = self.joined("or")
        if self.tokens[self.next].kind:
            self.refuse("'and', 'or' or the end")
        return condition

    def joined(self, word: str) -> _Condition:
        parts = [self.joined("and") if word == "or" else self.term()]
        while self.take(word):
            parts.append(self.joined("and") if word == "or" else self.term())
        return parts[0] if len(parts) == 1 else _Joined(word, tuple(parts))

    def term(self) -> _Condition:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UsageError(f"where: the condition is nested more than {_DEEPEST} deep; write it with 'in' lists")
        condition: _Condition
        if self.take("not"):
            condition = _Joined("not", (self.term(),))
        elif self.take("("):
            condition = self.joined("or")
            if not self.take(")"):
                self.refuse("a closing bracket")
        else:
            condition = self.comparison()
        self.depth -= 1
        return condition

    def comparison(self) -> _Condition:
        value = self.value()
        if value is not None:  # 5 < session
            sign = self.take(*_FLIPPED)
            if sign is None:
                self.refuse("a comparison (==, !=, <, <=, >, >=)")
            return _Comparison(self.column(), _FLIPPED[sign.text], (value,))
        column = self.column()
        if self.take("not"):
            if not self.take("in"):
                self.refuse("'in' after 'not'")
            return _Comparison(column, "!=", self.values())
        if self.take("in"):
            return _Comparison(column, "==", self.values())
        sign = self.take(*_FLIPPED)
        if sign is None:
            self.refuse("a comparison (==, !=, <, <=, >, >=, in)")
        value = self.value()
        if value is None:
            self.refuse("a value after the comparison: a number, or text in quotes")
        return _Comparison(column, sign.text, (value,))

    def column(self) -> str:
        token = self.take("name", "quoted")
        if token is None:
            self.refuse("the name of a column")
        return token.text.strip("`")

    def value(self) -> Value | None:
        token = self.take("text", "number")
        if token is None:
            return None
        return token.text[1:-1] if token.kind == "text" else float(token.text)

    def values(self) -> tuple[Value, ...]:
        if not self.take("("):
            self.refuse("values in brackets after 'in': ('a', 'b')")
        values = []
        while True:
            value = self.value()
            if value is None:
                self.refuse("a value: a number, or text in quotes")
            values.append(value)
            comma = self.take(",")
            if self.take(")"):
                return tuple(values)
            if not comma:
                self.refuse("a comma or a closing bracket")


@dataclass(frozen=True)
class _Column:
    """A column of all tables, every different cell once.

    Attributes
    ----------
    text : str
        The expression, for messages.
    name : str
        As the expression writes it.
    cells : list of (str, float or None)
        The different cells; None is an empty one.
    places : ndarray of int64, shape (N,)
        The cell of every row.
    """

    text: str
    name: str
    cells: list[str | float | None]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, text: str, name: str, tables: Sequence[pa.Table]) -> "_Column":
        columns = [find_column(table, name, f"where {text!r}") for table in tables]
        if len({pa.types.is_string(column.type) for column in columns}) > 1:  # text in one cache, numbers in another
            columns = [pa.chunked_array([_as_text(column)]) for column in columns]
        cells = [cell for column in columns for cell in column.to_pylist()]
        distinct = list(dict.fromkeys(cells))
        number = {cell: place for place, cell in enumerate(distinct)}
        return cls(text, name, distinct, np.array([number[cell] for cell in cells], np.int64))

    def rows(self, sign: str, values: Sequence[Value]) -> Mask:
        """Compare every row with the values."""
        holds = self._below(sign, values[0]) if sign in _ORDER else self._equal(values)
        mask = np.array([holds(cell) for cell in self.cells], bool)
        return (~mask if sign == "!=" else mask)[self.places]

    def _equal(self, values: Sequence[Value]) -> Callable[[Any], bool]:
        tests = [self._test_of(value) for value in values]
        for value, test in zip(values, tests, strict=True):
            if value != "" and not any(map(test, self.cells)):
                self._refuse_value(value)
        return lambda cell: any(test(cell) for test in tests)

    def _test_of(self, value: Value) -> Callable[[Any], bool]:
        if value == "":
            return lambda cell: cell is None
        number = _number(value) if isinstance(value, float) or self._of_numbers else None
        return lambda cell: cell == value if number is None else _number(cell) == number

    def _below(self, sign: str, value: Value) -> Callable[[Any], bool]:
        limit = _number(value)
        if limit is None:
            raise UsageError(
                f"where {self.text!r}: '{sign}' compares numbers, got '{value}'; compare text with == or in"
            )
        if words := [cell for cell in self.cells if cell is not None and _number(cell) is None]:
            raise UsageError(
                f"where {self.text!r}: '{sign}' compares numbers, and '{self.name}' holds the text '{words[0]}';"
                " compare it with == or in"
            )
        compare = _ORDER[sign]
        return lambda cell: cell is not None and compare(_number(cell) or 0.0, limit)

    @property
    def _of_numbers(self) -> bool:
        return all(isinstance(cell, float) for cell in self.cells if cell is not None)

    def _refuse_value(self, value: Value) -> NoReturn:
        every = sorted({cell_text(cell) for cell in self.cells if cell is not None})
        near = get_close_matches(str(value), every, 1)
        more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
        listing = ", ".join(repr(cell) for cell in every[:_SHOWN]) or "no value at all"
        raise UsageError(
            f"where {self.text!r}: no clip has {self.name} {(value if isinstance(value, str) else cell_text(value))!r}"
            f"{f' (is {near[0]!r} meant?)' if near else ''}; there is {listing}{more}"
        )


def _rows_where(condition: _Condition, columns: Mapping[str, _Column], text: str) -> Mask:
    if isinstance(condition, _Comparison):
        return columns[condition.column].rows(condition.sign, condition.values)
    parts = [_rows_where(part, columns, text) for part in condition.parts]
    if condition.word == "not":
        return ~parts[0]
    join = np.logical_and if condition.word == "and" else np.logical_or
    return np.asarray(join.reduce(parts), bool)


def _columns_in(condition: _Condition) -> set[str]:
    if isinstance(condition, _Comparison):
        return {condition.column}
    return {name for part in condition.parts for name in _columns_in(part)}


def _shown(value: Value) -> str:
    return repr(value if isinstance(value, str) else cell_text(value))


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if cell is None else cell_text(cell) for cell in column.to_pylist()], pa.string())


def _number(cell: Any) -> float | None:
    """Give a cell as a number; None where it is none (``nan`` and ``inf`` are words of text)."""
    if isinstance(cell, float):
        return cell
    text = str(cell).strip()
    return float(text) if re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text, re.ASCII) else None
