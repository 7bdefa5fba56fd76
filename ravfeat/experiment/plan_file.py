"""A plan as plain values, so that a run can be made again, and audited, from its recipe."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from ravfeat.errors import UsageError
from ravfeat.experiment.plan import FitPlan
from ravfeat.files import sha256_of
from ravfeat.schema import Rule, Select

__all__ = ["plan_of", "plan_record"]

_LABELS_DIGEST = "labels_sha256"
_PATHS = ("caches", "train_views")
"""Fields that are tuples of paths."""


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_choice(value: object) -> bool:
    return isinstance(value, bool)


_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "caches": ("a list of paths", _is_texts),
    "train_views": ("a list of paths", _is_texts),
    "joins": ("lists of paths", lambda value: isinstance(value, list | tuple) and all(map(_is_texts, value))),
    "heads": ("a list of names", _is_texts),
    "protocol": ("a name", lambda value: isinstance(value, str)),
    "device": ("a name", lambda value: isinstance(value, str)),
    "select": (" or ".join(get_args(Select)), lambda value: value in get_args(Select)),
    "seeds": ("a number above 0", lambda value: type(value) is int and value > 0),
    "layers": ("a text or null", _is_text_or_none),
    "labels": ("a path or null", _is_text_or_none),
    _LABELS_DIGEST: ("a digest", lambda value: isinstance(value, str)),
    "settings": ("an object", lambda value: isinstance(value, Mapping)),
    "rule": (f"{', '.join(get_args(Rule))} or null", lambda value: value is None or value in get_args(Rule)),
    "std": ("true or false", _is_choice),
    "allow_leak": ("true or false", _is_choice),
    "allow_missing": ("true or false", _is_choice),
}
"""Of every field: what it holds, in words and as a test."""


def plan_record(plan: FitPlan) -> dict[str, Any]:
    """Give a plan as JSON can hold it: paths as text, and the digest of its table of labels.

    Returns
    -------
    dict
        Every field of `FitPlan`, and ``labels_sha256`` (empty without such a table).
    """
    record = {field.name: _plain(getattr(plan, field.name)) for field in fields(plan)}
    return record | {_LABELS_DIGEST: "" if plan.labels is None else sha256_of(plan.labels)}


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
        Where a field is unknown (a newer version of ravfeat) or holds what it cannot, or the table of labels is gone or
        another one by now.
    """
    if not isinstance(record, Mapping):
        raise UsageError(f"the recorded plan must be an object, got {record!r}")
    names = {field.name for field in fields(FitPlan)}
    if odd := sorted(record.keys() - names - {_LABELS_DIGEST}):
        raise UsageError(
            f"the recorded plan does not fit this version of ravfeat ({', '.join(odd)}); make the run again, or use the"
            " version that made it"
        )
    known = plan_record(FitPlan()) | dict(record)
    for name, (kind, fits) in _KINDS.items():
        if not fits(known[name]):
            raise UsageError(f"the recorded plan has {name} = {known[name]!r}, expected {kind}")
    labels = None if known["labels"] is None else where(Path(known["labels"]))
    if labels is not None:
        _check_labels(labels, known[_LABELS_DIGEST])
    given: dict[str, Any] = {name: _tupled(known[name]) for name in names}
    given |= {name: tuple(where(Path(path)) for path in known[name]) for name in _PATHS}
    given["joins"] = tuple(tuple(where(Path(path)) for path in join) for join in known["joins"])
    return FitPlan(**given | {"labels": labels})


def _check_labels(labels: Path, digest: str) -> None:
    if not labels.is_file():
        raise UsageError(
            f"the table of labels that the run was made with is not there any more; it lay at {labels}: put it back"
        )
    if sha256_of(labels) != digest:
        raise UsageError(f"{labels} is not the table of labels that the run was made with; it was changed since")


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
