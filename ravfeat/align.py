"""Align records of several sources by performance or by clip, and check that they agree.

A performance may be another file for every stream (a voice, a face), so caches, systems of a fusion and tables of
scores are matched by performance, not by the name of a clip.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from ravfeat.errors import RavfeatError, format_missing

__all__ = ["AlignErrors", "Alignment", "Key", "align", "by_key", "common_key"]

Key = Literal["performance_id", "clip_id"]

_WORDS: Mapping[Key, str] = {"performance_id": "performance", "clip_id": "clip"}


class Record(Protocol):
    """What can be aligned."""

    @property
    def clip_id(self) -> str: ...
    @property
    def performance_id(self) -> str: ...


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Alignment(Generic[R]):
    """Records of several sources by one key.

    Attributes
    ----------
    names : tuple of str
        Of the sources, for messages.
    tables : tuple of mapping of str to record
        For each source, everything that it holds.
    keys : tuple of str
        What all of them hold, sorted.
    missing : tuple of str
        What some of them lack, sorted.
    """

    names: tuple[str, ...]
    tables: tuple[Mapping[str, R], ...]
    keys: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def records(self) -> tuple[dict[str, R], ...]:
        """For each source, the records of `keys`, in that order."""
        return tuple({key: table[key] for key in self.keys} for table in self.tables)

    def gaps(self, shown: int = 3) -> str:
        """List who lacks what, a line each."""
        return format_missing(self.names, self.tables, shown)


@dataclass(frozen=True)
class AlignErrors:
    """The errors of one use of `align`: each turns what was found into an error that says what to do next.

    Attributes
    ----------
    duplicate : callable
        Gets ``A holds performance 'p' as the clips 'a' and 'b'``.
    missing : callable
        Gets the whole `Alignment`.
    conflict : callable
        Gets ``performance 'p' has label 'x' in A and 'y' in B``.
    """

    duplicate: Callable[[str], RavfeatError]
    missing: Callable[[Alignment[Any]], RavfeatError]
    conflict: Callable[[str], RavfeatError]


def align(
    names: Sequence[object],
    records: Sequence[Iterable[R]],
    key: Key,
    agree_on: Sequence[str],
    errors: AlignErrors,
    *,
    allow_missing: bool = False,
) -> Alignment[R]:
    """Match the records of several sources.

    Parameters
    ----------
    names : sequence
        What to call each source in a message.
    records : sequence of iterable of record
        What each source holds.
    key : {"performance_id", "clip_id"}
    agree_on : sequence of str
        Attributes that must be the same in every source.
    errors : AlignErrors
    allow_missing : bool
        Go on with what all of them hold, if that is anything.

    Raises
    ------
    RavfeatError
        As `errors` gives it: where a source holds one key twice, lacks what another holds, or says something else of a
        record than the first source does.
    """
    tables = [by_key(name, source, key, errors.duplicate) for name, source in zip(names, records, strict=True)]
    # Sorted, so that the order of rows (and of every sum over them) does not depend on the order in a file.
    union = sorted(set().union(*tables))
    keys = tuple(value for value in union if all(value in table for table in tables))
    missing = tuple(value for value in union if any(value not in table for table in tables))
    alignment = Alignment(tuple(map(str, names)), tuple(tables), keys, missing)
    # Nothing in common is refused even where gaps are allowed: it means other recordings, not gaps.
    if missing and not (allow_missing and keys):
        raise errors.missing(alignment)
    _check_agreed(alignment, key, agree_on, errors)
    return alignment


def by_key(name: object, records: Iterable[R], key: Key, duplicate: Callable[[str], RavfeatError]) -> dict[str, R]:
    """Look records up by a key that each must have for itself.

    Raises
    ------
    RavfeatError
        As `duplicate` gives it.
    """
    table: dict[str, R] = {}
    for record in records:
        value = getattr(record, key)
        first = table.setdefault(value, record)
        if first is not record:  # the very same record may come twice, another one under its key may not
            raise duplicate(
                f"{name} holds {_WORDS[key]} '{value}' as the clips '{first.clip_id}' and '{record.clip_id}'"
            )
    return table


def common_key(clip_ids: Sequence[Iterable[str]]) -> Key:
    """Choose ``clip_id`` where all sources have the very same clips: there, a performance may be several clips."""
    return "clip_id" if len({frozenset(source) for source in clip_ids}) == 1 else "performance_id"


def _check_agreed(alignment: Alignment[R], key: Key, agree_on: Sequence[str], errors: AlignErrors) -> None:
    # Against the first source only: all that agree with it agree with each other.
    first = alignment.tables[0]
    for name, table in zip(alignment.names[1:], alignment.tables[1:], strict=True):
        for value in alignment.keys:
            for attribute in agree_on:
                expected, got = getattr(first[value], attribute), getattr(table[value], attribute)
                if expected != got:
                    raise errors.conflict(
                        f"{_WORDS[key]} '{value}' has {attribute} '{expected}' in {alignment.names[0]} and '{got}' in"
                        f" {name}"
                    )
