"""What is known of a run's test clips, and the scores of its best systems by it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ravfeat.corpora.groups import named_groups
from ravfeat.report.best_systems import best_of_run
from ravfeat.report.graded import Graded
from ravfeat.stats import GroupedColumn, compare_groups

__all__ = ["RunGroups", "run_groups"]


@dataclass(frozen=True)
class RunGroups:
    """The best system of each stream of a run and what was fused, each with its scores by every column."""

    entries: tuple[Graded, ...]
    columns: tuple[tuple[GroupedColumn, ...], ...]


def run_groups(graded: Sequence[Graded]) -> list[RunGroups]:
    """Score every run by group; those are left out of whose clips nothing is known that makes groups."""
    found = []
    for run in {id(entry.run): entry.run for entry in graded}.values():
        entries = best_of_run([entry for entry in graded if entry.run is run and entry.role != "alternative"]).entries
        columns = tuple(tuple(_columns(entry)) for entry in entries)
        if any(columns):
            found.append(RunGroups(entries, columns))
    return found


def _columns(entry: Graded) -> list[GroupedColumn]:
    # Runs of older versions, and score files, say no more than the names of their clips.
    return compare_groups(entry.probs, entry.run.groups or named_groups(entry.probs.clip_ids.tolist()))
