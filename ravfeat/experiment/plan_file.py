"""Record a plan in a recipe as plain values, and read it back, so that a run can be made again and audited.

Which values a field may have is read from its annotation in `ravfeat.experiment.plan`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ravfeat.errors import UsageError
from ravfeat.experiment.plan import FitPlan
from ravfeat.files import sha256_of
from ravfeat.protocols.named import fold_file_of

__all__ = ["plan_of", "plan_record"]

_DIGESTS: Mapping[str, tuple[str, str]] = {
    "labels": ("labels_sha256", "the table of labels"),
    "clips": ("clips_sha256", "the table of clips"),
    "label_map": ("label_map_sha256", "the table of classes"),
    "protocol": ("protocol_sha256", "the file of folds"),
}
"""Tables that a plan names: where the record has the digest of each, and what to call it."""

_PLAIN: Mapping[Any, tuple[type | tuple[type, ...], str, str]] = {
    Path: (str, "a path", "paths"),
    str: (str, "a name", "names"),
    int: (int, "a number above 0", "numbers above 0"),
    float: ((int, float), "a number", "numbers"),
    bool: (bool, "true or false", "true or false each"),
    Mapping: (Mapping, "an object", "objects"),
    NoneType: (NoneType, "null", "null"),
}
"""Of each annotation: the type of its recorded value, and what to call one and several."""


def plan_record(plan: FitPlan) -> dict[str, Any]:
    """Give a plan as JSON can hold it: paths as text, and the digests of its tables.

    Returns
    -------
    dict
        Every field of `FitPlan`, and ``labels_sha256`` and the like (empty without such a table).
    """
    record = {field.name: _to_plain(getattr(plan, field.name)) for field in fields(plan)}
    tables = {digest: _table_of(plan, name) for name, (digest, _) in _DIGESTS.items()}
    return record | {digest: "" if table is None else sha256_of(table) for digest, table in tables.items()}


def plan_of(record: Mapping[str, Any], *, where: Callable[[Path], Path] = Path) -> FitPlan:
    """Make the plan that was recorded.

    Parameters
    ----------
    record : mapping
        What `plan_record` gave. Fields that came later are at their defaults, which change nothing.
    where : callable
        Says where a recorded path lies now.

    Raises
    ------
    UsageError
        Where a field is unknown (a newer version of ravfeat) or holds what it cannot, or a table that it names is gone
        or another one by now.
    """
    if not isinstance(record, Mapping):
        raise UsageError(f"the recorded plan must be an object, got {record!r}")
    kinds = get_type_hints(FitPlan) | {digest: str for digest, _ in _DIGESTS.values()}
    if unknown := sorted(record.keys() - kinds.keys()):
        raise UsageError(
            f"the recorded plan does not fit this version of ravfeat ({', '.join(unknown)}); make the run again, or use"
            " the version that made it"
        )
    # Runs of earlier versions lack the fields that came later; their defaults are what those versions did.
    complete = plan_record(FitPlan()) | dict(record)
    for name, kind in kinds.items():
        if not _fits(complete[name], kind):
            raise UsageError(f"the recorded plan has {name} = {complete[name]!r}, expected {_words(kind)}")
    # Beside the plan, not in it: it says which table the path meant.
    digests = {name: complete.pop(digest) for name, (digest, _) in _DIGESTS.items()}
    plan = FitPlan(**{name: _from_plain(value, kinds[name], where) for name, value in complete.items()})
    if plan.brought:
        from ravfeat.experiment.own_heads import with_absent  # brings torch

        plan = with_absent(plan)
    for name, (_, called) in _DIGESTS.items():
        if (table := _table_of(plan, name)) is not None:
            _check_table(table, called, digests[name])
    return plan


def _table_of(plan: FitPlan, name: str) -> Path | None:
    """Give the path of a table that a plan names, as its protocol too; None where it names none."""
    value: str | Path | None = getattr(plan, name)
    return fold_file_of(value) if isinstance(value, str) else value


def _check_table(table: Path, called: str, digest: str) -> None:
    if not table.is_file():
        raise UsageError(f"{called} that the run was made with is not there any more; it lay at {table}: put it back")
    if sha256_of(table) != digest:
        raise UsageError(f"{table} is not {called} that the run was made with; it was changed since")


def _fits(value: Any, kind: Any) -> bool:
    """Whether a recorded value can be one of an annotation."""
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, choice) for choice in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(item, args[0]) for item in value)
    if isinstance(value, bool):  # True is an int to Python, and no count in a recipe
        return origin is bool
    if origin is int:
        return isinstance(value, int) and value > 0
    return isinstance(value, _PLAIN[origin][0])


def _words(kind: Any, *, several: bool = False) -> str:
    """Say what an annotation takes."""
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        *choices, last = (word for choice in args for word in _words(choice).split(" or "))
        return f"{', '.join(choices)} or {last}"
    if origin is Literal:
        return " or ".join(args)
    if origin is tuple:
        items = _words(args[0], several=True)
        return items if items.startswith("lists") else f"{'lists' if several else 'a list'} of {items}"
    _, single, plural = _PLAIN[origin]
    return plural if several else single


def _from_plain(value: Any, kind: Any, where: Callable[[Path], Path]) -> Any:
    origin, args = get_origin(kind) or kind, get_args(kind)
    if value is not None and Path in (origin, *args) and origin is not tuple:  # Path, or Path | None
        return where(Path(value))
    if origin is tuple:
        return tuple(_from_plain(item, args[0], where) for item in value)
    return value


def _to_plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "record"):  # the class of a user's own head
        return value.record()
    if isinstance(value, Mapping):
        return {str(name): _to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    return value
