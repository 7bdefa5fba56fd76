"""A plan as plain values, so that a run can be made again, and audited, from its recipe.

Offers
------
plan_record, plan_of.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ravfeat.errors import UsageError
from ravfeat.files import sha256_of
from ravfeat.plans import FitPlan

__all__ = ["plan_of", "plan_record"]

_LABELS_DIGEST = "labels_sha256"
_PATHS = ("caches", "train_views")
"""Fields that are tuples of paths."""


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
        Where a field is unknown (a newer version of ravfeat), or the table of labels is another one by now.
    """
    names = {field.name for field in fields(FitPlan)}
    if odd := sorted(record.keys() - names - {_LABELS_DIGEST}):
        raise UsageError(
            f"the recorded plan does not fit this version of ravfeat ({', '.join(odd)}); make the run again, or use the"
            " version that made it"
        )
    known = plan_record(FitPlan()) | dict(record)
    labels = None if known["labels"] is None else where(Path(known["labels"]))
    if labels is not None and sha256_of(labels) != known[_LABELS_DIGEST]:
        raise UsageError(f"{labels} is not the table of labels that the run was made with; it was changed since")
    given: dict[str, Any] = {name: _tupled(known[name]) for name in names}
    given |= {name: tuple(where(Path(path)) for path in known[name]) for name in _PATHS}
    given["joins"] = tuple(tuple(where(Path(path)) for path in join) for join in known["joins"])
    return FitPlan(**given | {"labels": labels})


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
