"""Read ``plan.toml`` of a sweep: lists of caches, heads with settings, layers and protocols, checked strictly."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from ravfeat.documents import Count, NotEmpty, Text, check_value, read_toml
from ravfeat.errors import UsageError
from ravfeat.plugins import is_reference
from ravfeat.schema import Select

__all__ = ["ChooseBy", "SweepPlan", "Views", "read_plan"]

ChooseBy = Literal["uar", "nll"]
Views = Literal["none", "train", "scores", "statistics"]

_REMEDY = "'ravfeat sweep --help' shows a plan"

_LISTS = ("protocols", "heads", "caches", "layers", "std", "views")
"""Keys that are lists of alternatives; a single value stands for a list of one."""

_PATHS = ("caches", "concat", "together", "train_views", "labels", "clips", "label_map")

_NOT_OF_HEADS = {"layers", "std", "device"}

Alternatives = Annotated[tuple[Text, ...], NotEmpty]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep: what is combined with what, and what all plans share.

    Attributes
    ----------
    heads : tuple of mapping
        Name and settings of each; a setting that is a list stands for its values, one after the other.
    caches : tuple of Path
        Every one is read by every head.
    concat, together : tuple of tuple of Path
        Caches of one stream that are concatenated for heads that pool; caches that a head of several streams reads at
        once.
    train_views : tuple of Path
        Caches of views; each is used with the cache that it is a view of.
    protocols, layers, std, views : tuple
        Further alternatives. ``layers`` is ``all``, ``last``, a number, a range or a list of numbers; ``views`` says
        what is done with `train_views`: nothing, training, or the means of `ravfeat.experiment.plan.DataPlan`.
    select, seeds, labels, clips, where, label_map, allow_leak, allow_missing, as_written
        As in `ravfeat.experiment.plan.FitPlan`, for every plan: what they change is the question, not the answer.
        Scores are means over seeds; a seed is never chosen.
    choose_by : {"uar", "nll"}
        Which mean over the validation rows decides.
    """

    heads: Annotated[tuple[dict[str, Any], ...], NotEmpty]
    caches: tuple[Path, ...] = ()
    concat: tuple[Annotated[tuple[Path, ...], NotEmpty], ...] = ()
    together: tuple[Annotated[tuple[Path, ...], NotEmpty], ...] = ()
    train_views: tuple[Path, ...] = ()
    protocols: Alternatives = ("ravdess6",)
    layers: Alternatives = ("all",)
    std: Annotated[tuple[bool, ...], NotEmpty] = (True,)
    views: Annotated[tuple[Views, ...], NotEmpty] = ("none",)
    select: Select = "val"
    seeds: Count = 1
    labels: Path | None = None
    clips: Path | None = None
    where: str = ""
    label_map: Path | None = None
    allow_leak: bool = False
    allow_missing: bool = False
    as_written: tuple[str, ...] = ()
    choose_by: ChooseBy = "uar"


def read_plan(path: Path, *, own_code: bool = False) -> SweepPlan:
    """Read a plan; paths in it are relative to its folder.

    Parameters
    ----------
    path : Path
    own_code : bool
        Whether heads may be code that the plan names, which is run: a plan may be somebody else's.

    Raises
    ------
    UsageError
        For a file that is no TOML, a key that is unknown, or a value that it cannot have; the message names file and
        key.
    """
    document = read_toml(path, dict[str, Any], UsageError, _REMEDY)
    known = [field.name for field in fields(SweepPlan)]
    for name in document:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UsageError(
                f"{path}: no key '{name}'{f', did you mean {near[0]}?' if near else ';'} choose from {', '.join(known)}"
            )
    if "heads" not in document:
        raise UsageError(f'{path} lacks \'heads\', such as heads = ["logreg", "kernel"]; {_REMEDY}')
    value = document | {name: _as_list(document[name]) for name in _LISTS if name in document}
    value["heads"] = [{"name": head} if isinstance(head, str) else head for head in value["heads"]]
    if "layers" in value:  # a number is written like one
        value["layers"] = [str(layer) if type(layer) is int else layer for layer in value["layers"]]
    plan = check_value(value, SweepPlan, str(path), UsageError, _REMEDY)
    _check_heads(plan, path, own_code=own_code)
    _check_once(value, path)
    for name in ("concat", "together"):
        for number, paths in enumerate(getattr(plan, name)):
            if len(paths) < 2:
                raise UsageError(f"{path}: {name}[{number}] names one cache, expected two or more")
    return _located(plan, path.parent)


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_heads(plan: SweepPlan, path: Path, *, own_code: bool) -> None:
    for number, head in enumerate(plan.heads):
        if not isinstance(head.get("name"), str) or not head["name"]:
            raise UsageError(f"{path}: heads[{number}] lacks 'name', such as name = \"logreg\"; {_REMEDY}")
        if is_reference(head["name"]) and not own_code:
            raise UsageError(
                f"{path}: heads[{number}] names code, '{head['name']}', that would be run; read it, then add --own-code"
            )
        if wrong := sorted(head.keys() & _NOT_OF_HEADS):
            raise UsageError(
                f"{path}: heads[{number}].{wrong[0]} is no setting of a head here: layers and std are keys of the plan,"
                " the device is an option of the command"
            )
        for key, value in head.items():
            if isinstance(value, Mapping) or value == []:
                shown = "an empty list" if value == [] else "a table"
                raise UsageError(f"{path}: heads[{number}].{key} is {shown}, expected a value or a list of them")


def _check_once(value: Mapping[str, Any], path: Path) -> None:
    """Refuse an alternative that is named twice: it would count as two tries."""
    for name in (*_LISTS, "concat", "together", "train_views"):
        entries = value.get(name, [])
        if twice := [entry for number, entry in enumerate(entries) if entry in entries[:number]]:
            raise UsageError(f"{path}: {name} has {twice[0]!r} twice; name every alternative once")


def _located(plan: SweepPlan, folder: Path) -> SweepPlan:
    """Take relative paths to be relative to a folder."""

    def located(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(located(part) for part in value)
        return None if value is None else folder / value

    values = {field.name: getattr(plan, field.name) for field in fields(plan)}
    # A protocol may be a table of folds.
    protocols = tuple(str(folder / text) if (folder / text).is_file() else text for text in plan.protocols)
    return SweepPlan(**(values | {name: located(values[name]) for name in _PATHS} | {"protocols": protocols}))
