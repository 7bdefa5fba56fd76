"""Ledger of tries: the run's line is still there, and how many plans were tried on the same clips."""

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, info, not_possible, warn
from ravfeat.files import sha256_of
from ravfeat.ledger.tries import Tries
from ravfeat.runs.format import PREDICTIONS_FILE
from ravfeat.runs.ledger_state import ledger_state

__all__ = ["check_tries"]

_CHECK = "tries on these clips"

_MANY = 10
"""Plans whose test scores were seen, from which on a choice by them is worth a warning. Of ten plans that are equally
good the best is ahead by 1.5 standard deviations of a paired difference, 0.015 UAR with 24 actors; of five by 1.2."""

_WORSE = 0.005
"""By how much the validation UAR must fall behind the best one: less is what seeds and rounding do."""


def check_tries(context: RunContext) -> list[Line]:
    """Look the run up in the ledger beside its caches."""
    folders = [location.path.resolve().parent for location in context.locations if location.path is not None]
    state = ledger_state(context.recipe, folders)
    if state.standing in ("unknown", "none kept", "gone"):
        told = f"; {state.said}" if state.standing == "gone" else ""
        return [not_possible(_CHECK, "", f"{state.finding}{told}")]
    if state.standing == "not wanted":
        return [warn(_CHECK, "", f"{state.finding}: how many plans were tried before this one is not known")]
    if state.standing == "changed":
        return [edited(_CHECK, "", state.finding)]
    path = context.path / PREDICTIONS_FILE
    if state.line is not None and path.is_file() and state.line.predictions != sha256_of(path):
        return [edited(_CHECK, "", f"the ledger says that the run had other predictions ({state.finding})")]
    if state.standing == "broken" or state.tries is None:
        return [warn(_CHECK, "", f"what was tried cannot be counted: {state.finding}; {state.said}")]
    if chosen := _chosen_by_test(state.tries):
        return [warn(_CHECK, "", f"{state.tries.said}. {chosen} ({state.finding})")]
    return [info(_CHECK, "", f"{state.tries.said} ({state.finding})")]


def _chosen_by_test(tries: Tries) -> str:
    """Say that of many tested plans this one has the highest test score, and not the highest validation score."""
    tested, best = tries.own_tested, tries.best
    if tested is None or best is None or tries.own_best is None or len(tries.tested) < _MANY:
        return ""
    if tested < max(tries.tested) or tries.own_best > best[0] - _WORSE:
        return ""
    return (
        f"Of {len(tries.tested)} runs whose test scores were seen this one has the highest, {tested:.3f}, and"
        f" validation would have chosen another one ({best[0]:.3f} against {tries.own_best:.3f}): if it was chosen for"
        " its test score, that score is too high"
    )
