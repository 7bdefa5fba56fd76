"""Find clip, performance, actor and label of every row of a score file: from RAVDESS names, or from columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.errors import PredictionsError
from ravfeat.importers.names import Owner, spellings
from ravfeat.manifest import actor_number
from ravfeat.schema import RAVDESS_LABELS
from ravfeat.scorefiles.columns import FACTS, ScoreTable

__all__ = ["Owners", "check_labels", "owners_of"]

_STREAMS = ("audio", "face", "other")
_STREAM_OF: Mapping[str, str] = {"03": "audio", "02": "face"}
_NAMED = 3
_RAVDESS = "ravdess"


@dataclass(frozen=True)
class Owners:
    """Whose every row is.

    Attributes
    ----------
    clip_ids, performance_ids, actors, labels : tuple of str, length N
    stream : {"audio", "face", "other"}
        Of the whole file.
    """

    clip_ids: tuple[str, ...]
    performance_ids: tuple[str, ...]
    actors: tuple[str, ...]
    labels: tuple[str, ...]
    stream: str


def owners_of(cells: ScoreTable) -> Owners:
    """Find out whose the rows are.

    A RAVDESS stem, with or without folders, ending and modality, says performance, actor and label. The columns
    ``actor`` and ``label`` win over it (people may be renamed, classes merged); other names need them, and their
    performance is the column ``performance``, or the name itself.

    Raises
    ------
    PredictionsError
        For other names without these columns, for a person under two names, and for streams that cannot be.
    """
    names = cells.facts["name"]
    owners = {name: _ravdess(name) for name in dict.fromkeys(names)}
    _check_known(cells, owners)
    actors, labels, performances = (cells.facts.get(fact, names) for fact in ("actor", "label", "performance"))
    _check_actors(cells, owners)
    rows = [
        _facts(owners[name], name, (performance, actor, label), cells.facts)
        for name, performance, actor, label in zip(names, performances, actors, labels, strict=True)
    ]
    clip_ids, performance_ids, row_actors, row_labels = (tuple(column) for column in zip(*rows, strict=True))
    return Owners(clip_ids, performance_ids, row_actors, row_labels, _stream(cells, list(owners.values())))


def check_labels(cells: ScoreTable, labels: Sequence[str]) -> None:
    """Refuse labels without a column, and columns that are probably no class.

    A model may know more emotions than were acted; what is no emotion of `RAVDESS_LABELS` and no row's label
    could as well be a duration or a row number.

    Raises
    ------
    PredictionsError
    """
    acted, classes = dict.fromkeys(labels), cells.classes
    if lacking := [label for label in acted if label not in classes]:
        row = labels.index(lacking[0])
        raise PredictionsError(
            f"{cells.where(row)}: the label '{lacking[0]}' has no class column. Labels are {sorted(acted)}, class"
            f" columns {list(classes)}; call the columns like the labels, or say other labels in a column 'label'"
        )
    if idle := [name for name in classes if name not in acted and name not in RAVDESS_LABELS]:
        raise PredictionsError(
            f"{cells.path}: no row is labelled {' or '.join(map(repr, idle[:_NAMED]))}. Every column besides"
            f" {', '.join(FACTS)} is taken for a class; leave out columns that are none, and classes that nobody acts"
        )


def _ravdess(name: str) -> Owner | None:
    for stem in spellings(name):
        if clip := parse_stem(stem, corpus=_RAVDESS):
            return Owner(clip, stem[:2])
        if clip := parse_stem(f"03-{stem}", corpus=_RAVDESS):  # no modality: the name of a performance
            return Owner(replace(clip, clip_id=stem))
    return None


def _check_known(cells: ScoreTable, owners: Mapping[str, Owner | None]) -> None:
    strangers = [name for name, owner in owners.items() if owner is None]
    lacking = [fact for fact in ("actor", "label") if fact not in cells.facts]
    if strangers and lacking:
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        raise PredictionsError(
            f"{cells.path}: {len(strangers)} of {len(owners)} names are no RAVDESS stems like 03-01-06-01-02-01-12:"
            f" {', '.join(strangers[:_NAMED])}{more}; add the column{'s' * (len(lacking) > 1)} {' and '.join(lacking)}"
        )


def _check_actors(cells: ScoreTable, owners: Mapping[str, Owner | None]) -> None:
    """Refuse one person under two names, or two under one: folds could not be checked for leaks."""
    if "actor" not in cells.facts:
        return
    called: dict[str, str] = {}
    for row, (name, actor) in enumerate(zip(cells.facts["name"], cells.facts["actor"], strict=True)):
        owner = owners[name]
        if owner is None:
            continue
        of_stem, written = owner.clip.actor, _as_ravdess(actor)
        for person, other in ((f"of {of_stem}", written), (f"called {written}", of_stem)):
            if called.setdefault(person, other) != other:
                raise PredictionsError(
                    f"{cells.where(row)}: actor is '{actor}', and the name is a RAVDESS stem of '{of_stem}', but"
                    f" another row {person} says '{called[person]}'; name every person once, or leave the column out"
                )


def _facts(
    owner: Owner | None, name: str, facts: tuple[str, str, str], columns: Mapping[str, object]
) -> tuple[str, str, str, str]:
    """Give clip, performance, actor and label of a row."""
    performance, actor, label = facts
    if owner is None:
        return name, performance, actor, label
    clip = owner.clip
    return (
        clip.clip_id,
        clip.performance_id,
        _as_ravdess(actor) if "actor" in columns else clip.actor,
        label if "label" in columns else clip.label,
    )


def _as_ravdess(actor: str) -> str:
    """Write a bare number as a cache of RAVDESS does, so that a score file and a run line up."""
    number = None if ":" in actor else actor_number(actor)
    return actor if number is None else f"{_RAVDESS}:{number:02d}"


def _stream(cells: ScoreTable, owners: Sequence[Owner | None]) -> str:
    if "stream" not in cells.facts:
        modalities = {owner.modality if owner else "" for owner in owners}
        return _STREAM_OF.get(modalities.pop(), "other") if len(modalities) == 1 else "other"
    streams = cells.facts["stream"]
    for row, stream in enumerate(streams):
        if stream not in _STREAMS:
            raise PredictionsError(f"{cells.where(row)}: stream is '{stream}'; expected one of {', '.join(_STREAMS)}")
        if stream != streams[0]:
            raise PredictionsError(
                f"{cells.where(row)}: stream is '{stream}', and '{streams[0]}' in row 1; one file holds the scores of"
                " one system: write one for each stream"
            )
    return streams[0]
