"""Heads from a user's own code in a plan: loaded where the user names them, known by name where a recipe does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from typing import Any, TypeVar

from ravfeat.errors import UsageError
from ravfeat.escape import printable
from ravfeat.experiment.plan import HeadPlan
from ravfeat.files import check_name
from ravfeat.heads.own_code import OwnCode
from ravfeat.heads.registry import HEADS
from ravfeat.plugins import Brought, installed, is_reference, load_installed, load_reference

__all__ = ["GROUP", "STREAMS", "bring_heads", "head_kinds", "split_stream", "with_absent", "with_code"]

GROUP = "ravfeat.heads"
"""Entry points under which packages bring heads, by name."""

STREAMS = ("audio", "face")
"""Streams that a head may be kept for."""

_Plan = TypeVar("_Plan", bound=HeadPlan)
_LONGEST = 40


def bring_heads(entries: Sequence[str]) -> tuple[tuple[str, ...], dict[str, type[OwnCode]]]:
    """Load the heads that are a user's own code, which runs it; for what a user typed, and nothing else.

    Parameters
    ----------
    entries : sequence of str
        Names of heads, of entry points, or references such as ``mine.py:SVC``; ``audio:`` or ``face:`` may stand
        before each.

    Returns
    -------
    heads : tuple of str
        For `HeadPlan.heads`.
    brought : dict of str to class
        For `HeadPlan.brought`, by name.

    Raises
    ------
    UsageError, PluginError
        Where code cannot be found, loaded, or made a head of.
    """
    names: dict[str, str] = {}  # of a reference
    brought: dict[str, type[OwnCode]] = {}
    heads = []
    for entry in entries:
        stream, head = split_stream(entry)
        if head not in names and (code := _load(head)) is not None:
            from ravfeat.heads.own_heads import own_kind  # brings scikit-learn

            names[head] = _name(head, code, {*HEADS, *brought})
            brought[names[head]] = own_kind(code, names[head])
        heads.append(f"{stream}:{names.get(head, head)}" if stream else names.get(head, head))
    return tuple(heads), brought


def head_kinds(plan: HeadPlan) -> Mapping[str, Any]:
    """Give the classes of all heads that a plan can name."""
    return {**HEADS, **plan.brought}


def with_absent(plan: _Plan) -> _Plan:
    """Give a plan that was read from a recipe the classes of heads whose code nobody asked to run.

    Raises
    ------
    UsageError
        Where the recipe does not say what they were, or gives them the name of a head of ravfeat.
    """
    from ravfeat.heads.own_heads import absent_kind

    if both := sorted(plan.brought.keys() & HEADS.keys()):
        raise UsageError(f"the recorded plan brings a head '{both[0]}', which is the name of a head of ravfeat")
    kinds = {
        check_name(name, "the recorded plan's own head", UsageError, "make the run again"): absent_kind(record, name)
        for name, record in plan.brought.items()
    }
    return replace(plan, brought=kinds)


def with_code(plan: _Plan, references: Sequence[str]) -> _Plan:
    """Load code for heads that a plan from a recipe only names; for what a user typed, and nothing else.

    Raises
    ------
    UsageError
        Where code is none of the plan's, or has changed since.
    """
    from ravfeat.heads.own_heads import own_kind

    kinds = dict(plan.brought)
    for reference in references:
        code = _load(reference)
        last = reference.rpartition(":")[2]
        names = [name for name, kind in kinds.items() if kind.brought.reference.rpartition(":")[2] == last]
        if code is None or not names:
            recorded = ", ".join(kind.brought.reference for kind in kinds.values()) or "none"
            raise UsageError(f"'{printable(reference)}' is no head of the run; its own code was: {printable(recorded)}")
        same = [name for name in names if kinds[name].brought.source_sha256 == code.source_sha256]
        if not same:
            raise UsageError(
                f"'{printable(reference)}' has changed since the run was made: its source has SHA-256"
                f" {code.source_sha256[:12]}…, then {printable(kinds[names[0]].brought.source_sha256)[:12]}…"
            )
        kinds |= {name: own_kind(code, name) for name in same}
    return replace(plan, brought=kinds)


def split_stream(entry: str) -> tuple[str, str]:
    """Split ``audio:attentive`` into stream and head; the stream is empty where none is named."""
    stream, _, head = entry.partition(":")
    return (stream, head) if stream in STREAMS and head else ("", entry)


def _load(head: str) -> Brought | None:
    if head in HEADS:
        return None
    if is_reference(head):
        return load_reference(head)
    return load_installed(GROUP, head) if head in installed(GROUP) else None


def _name(head: str, code: Brought, taken: set[str]) -> str:
    """Give a name that can be that of a folder: the last one of a reference, in plain letters."""
    plain = re.sub(r"[^a-z0-9]+", "-", head.rpartition(":")[2].rpartition(".")[2].lower()).strip("-")[:_LONGEST]
    name = plain or "head"
    of_source = f"{name}-{code.source_sha256[:6]}"
    # Names that differ by case alone, or stand in copies of a file, are several heads too.
    names = chain((name, of_source), (f"{of_source}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)
