"""What the ledger of tries says of a run now: its place among the tries, and whether its line is still there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ravfeat.errors import CacheError
from ravfeat.ledger.file import LEDGER_FILE, Ledger, read_ledger
from ravfeat.ledger.line import Line
from ravfeat.ledger.tries import Tries, count_tries
from ravfeat.runs.recipe import LedgerEntry, LedgerNote, Recipe
from ravfeat.runs.tries import CHAIN_BROKEN, NOT_WANTED, in_order

__all__ = ["LedgerState", "ledger_state"]

Standing = Literal["held", "broken", "changed", "gone", "none kept", "not wanted", "unknown"]

_LOST: Mapping[Standing, str] = {
    "changed": "its line in the ledger is gone or changed",
    "gone": "the ledger is not there now",
}
"""What is said of a line that is not found, the worse first."""


@dataclass(frozen=True)
class LedgerState:
    """A run in its ledger.

    Attributes
    ----------
    standing : str
        ``held``: its line is there, and the chain is whole. ``broken``: its line is there, another one was changed or
        taken out. ``changed``: its line is not there any more, or another one by now. ``gone``: the ledger is not
        there.
        ``none kept``, ``not wanted``: none could be kept, or nobody wanted one. ``unknown``: of an older version.
    said : str
        One sentence without a path: its place among the tries.
    finding : str
        What was looked at and seen, with paths.
    tries : Tries or None
        Counted now; None where the ledger cannot be read.
    line : Line or None
        That of the run.
    """

    standing: Standing
    said: str
    finding: str
    tries: Tries | None = None
    line: Line | None = None


def ledger_state(recipe: Recipe, folders: Iterable[Path] = ()) -> LedgerState:
    """Look a run up in its ledger.

    Parameters
    ----------
    recipe : Recipe
    folders : iterable of Path
        Where its caches lie now, if they were moved: a ledger beside them is looked at too.
    """
    note = recipe.ledger
    if note is None:
        return LedgerState("unknown", "", "the recipe names no ledger: how many plans were tried is not known")
    if not note.entries:
        return _not_kept(note)
    moved = [folder / LEDGER_FILE for folder in folders]
    read = [_look_up(entry, moved) for entry in note.entries]
    there = [(ledger, line) for ledger, line, _ in read if ledger is not None and line is not None]
    lost = [fault for _, line, fault in read if line is None]
    lines = in_order(line for ledger, _ in there for line in ledger.lines)
    tries = count_tries(lines, there[0][1]) if there else None
    if lost:
        standing, finding = min(lost, key=lambda fault: list(_LOST).index(fault[0]))
        then = f"{note.said} (when it was made)" if tries is None else tries.said
        return LedgerState(standing, f"{then}; {_LOST[standing]}", finding, tries)
    faults = [f"{ledger.path}: {fault}" for ledger, _ in there for fault in ledger.faults]
    said = "" if tries is None else tries.said
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        return LedgerState("broken", f"{said}{CHAIN_BROKEN}", f"{faults[0]}{more}", tries, there[0][1])
    places = " and ".join(f"line {line.number} of {ledger.path}" for ledger, line in there)
    return LedgerState("held", said, f"{places}, chain whole", tries, there[0][1])


def _not_kept(note: LedgerNote) -> LedgerState:
    if note.why == NOT_WANTED:
        return LedgerState("not wanted", "tries not counted: --no-ledger", "the run was made with --no-ledger")
    return LedgerState(
        "none kept", "tries not counted: no ledger could be kept", note.why or "the recipe says no reason"
    )


def _look_up(entry: LedgerEntry, moved: Iterable[Path]) -> tuple[Ledger | None, Line | None, tuple[Standing, str]]:
    """Find the line of a run, in its ledger or in one beside the caches that were moved; or say what is wrong."""
    fault: tuple[Standing, str] = "gone", f"{entry.path} is not there any more"
    for path in (entry.path, *moved):
        if not path.is_file():
            continue
        try:
            ledger = read_ledger(path)
        except CacheError as error:
            fault = "changed", str(error)
            continue
        if line := ledger.find(entry.sha256):
            return ledger, line, ("held", "")
        if path != entry.path:
            continue
        if ledger.first in (entry.first, ""):  # "": its first line is gone or changed
            fault = "changed", f"{path}: line {entry.line} was that of the run, and is gone or changed"
        else:
            fault = "gone", f"{path} is another ledger than the one that the run was entered in"
    return None, None, fault
