"""Plan a reproduction: find caches, assign steps to rows, list every step once."""

from collections.abc import Iterable
from dataclasses import dataclass

from ravfeat.reproduce.answers import Entry, StudyFigure, ablations_of, entries_of
from ravfeat.reproduce.caches import Materials, find_materials
from ravfeat.reproduce.options import StudyOptions
from ravfeat.reproduce.steps import Step

__all__ = ["Study", "plan_study"]


@dataclass(frozen=True)
class Study:
    """A study that is planned.

    Attributes
    ----------
    options : StudyOptions
    materials : Materials
    entries : tuple of Entry
        One or two of every row.
    ablations : tuple of StudyFigure
    steps : tuple of Step
        In the order of the rows.
    """

    options: StudyOptions
    materials: Materials
    entries: tuple[Entry, ...]
    ablations: tuple[StudyFigure, ...]
    steps: tuple[Step, ...]


def plan_study(options: StudyOptions, missing: dict[str, str] | None = None) -> Study:
    """Plan a study from the caches that are there.

    Parameters
    ----------
    options : StudyOptions
    missing : dict of str to str
        Why roles could not be extracted, where that was tried.

    Raises
    ------
    CacheError, UsageError
        See `ravfeat.reproduce.caches.find_materials`.
    """
    cached = find_materials(options)
    materials = Materials(cached.found, {**cached.missing, **_still(cached, missing or {})})
    entries, ablations = entries_of(materials, options), ablations_of(materials, options)
    figures = [*(figure for entry in entries for figure in entry.figures), *ablations]
    return Study(options, materials, tuple(entries), tuple(ablations), tuple(_once(figure.step for figure in figures)))


def _still(cached: Materials, reasons: dict[str, str]) -> dict[str, str]:
    return {role: reason for role, reason in reasons.items() if role in cached.missing}


def _once(steps: Iterable[Step]) -> list[Step]:
    return list({step.name: step for step in steps}.values())
