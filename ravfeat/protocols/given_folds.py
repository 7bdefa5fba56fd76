"""Make the folds that a column or a file gives: a session left out, an official split, a table of folds.

Conventions
-----------
Where nobody says who validates, actors are drawn for it from those who are not tested, as `groupK` draws them. What is
given may leak: the check of `ravfeat.protocols.leakage` tells.
"""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ravfeat.corpora.columns import clip_columns, find_column
from ravfeat.corpora.tables import cell_text
from ravfeat.errors import ProtocolError, UsageError
from ravfeat.protocols.drawing import drawn_fold, fold_of
from ravfeat.protocols.fold_file import FoldFile, Side, in_order, side_of
from ravfeat.protocols.groups import FoldClip, Rows, deal_groups, tied_groups
from ravfeat.protocols.leakage import Fold
from ravfeat.protocols.named import Protocol

__all__ = ["file_folds", "side_folds", "split_record", "value_folds"]

_SHOWN = 5


def value_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    """Test the values of a column one after the other, or, where a number of folds is asked for, whole values together.

    Validation clips are those of other values, as long as two values are left to train on; else actors are drawn.

    Raises
    ------
    UsageError
        Where there is no such column.
    ProtocolError
        Where a clip has no value, or there are too few.
    """
    values = _values(protocol, protocol.column, clips)
    names = in_order(set(values))
    if len(names) < max(2, protocol.n_folds):
        raise ProtocolError(
            f"protocol '{protocol.name}' needs at least {max(2, protocol.n_folds)} values of '{protocol.column}', the"
            f" clips have {len(names)} ({', '.join(names[:_SHOWN])})"
        )
    column = np.array(values, object)
    tests = _dealt(protocol, clips, values) if protocol.n_folds else [np.flatnonzero(column == name) for name in names]
    folds = []
    for number, rows in enumerate(tests):
        test = np.zeros(len(clips), bool)
        test[rows] = True
        rest = np.flatnonzero(~test)
        groups = tied_groups(clips, rest, values)
        if len(groups) < 3:  # one would validate and leave one
            groups = tied_groups(clips, rest)
        tested = ", ".join(in_order(set(column[rows])))
        folds.append(drawn_fold(protocol, number, test, clips, groups, tested))
    return folds


def _dealt(protocol: Protocol, clips: Sequence[FoldClip], values: Sequence[str]) -> list[Rows]:
    groups = tied_groups(clips, None, values)
    if len(groups) < protocol.n_folds:
        raise ProtocolError(
            f"protocol '{protocol.name}' needs at least {protocol.n_folds} values of '{protocol.column}' that share no"
            f" actor, performance or recording; there are {len(groups)}"
        )
    return [np.sort(np.concatenate(part)) for part in deal_groups(protocol.draw, clips, groups, protocol.n_folds)]


def side_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    """Read an official split from a column; ``fold_*`` stands for several columns, each a fold.

    Raises
    ------
    UsageError
        Where there is no such column.
    CorpusError
        Where a value is none of train, val and test.
    ProtocolError
        Where a clip has no value.
    """
    folds = []
    for number, name in enumerate(_columns(protocol, clips)):
        values = _values(protocol, name, clips)
        counts = Counter(values)
        listing = ", ".join(f"{value} {counts[value]}" for value in in_order(counts)[:_SHOWN])
        where = f"protocol '{protocol.name}' (column '{name}' has {listing}; leave clips out with --where)"
        sides = {value: side_of(value, where) for value in counts}
        folds.append(_sided(protocol, number, name, clips, [sides[value] for value in values]))
    return folds


def _columns(protocol: Protocol, clips: Sequence[FoldClip]) -> list[str]:
    if "*" not in protocol.column:
        return [protocol.column]
    names = clip_columns(clips).column_names
    matching = [name for name in names if fnmatchcase(name, protocol.column)]
    if not matching:
        raise UsageError(f"protocol '{protocol.name}': no column is called so; there is {', '.join(names)}")
    return sorted(matching, key=lambda name: (len(name), name))  # fold_2 before fold_10


def file_folds(protocol: Protocol, file: FoldFile, clips: Sequence[FoldClip]) -> list[Fold]:
    """Make the folds of a file; see `ravfeat.protocols.fold_file`.

    Raises
    ------
    CorpusError, ProtocolError
        Where it does not say of every clip where it is.
    """
    places = file.sides([clip.clip_id for clip in clips], [clip.actor for clip in clips])
    if file.names_sides:
        for name, sides in places:
            _check_placed(f"fold '{name}' of '{protocol.name}'", clips, [side is not None for side in sides])
    else:
        tested = [any(sides) for sides in zip(*(row for _, row in places), strict=True)]
        _check_placed(f"'{protocol.name}'", clips, tested)
    return [
        _sided(protocol, number, name, clips, [side or "train" for side in sides])
        for number, (name, sides) in enumerate(places)
    ]


def _check_placed(what: str, clips: Sequence[FoldClip], placed: Sequence[bool]) -> None:
    if lost := [clip.clip_id for clip, is_placed in zip(clips, placed, strict=True) if not is_placed]:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise ProtocolError(
            f"{what} does not say where {len(lost)} of {len(clips)} clips are: {', '.join(lost[:_SHOWN])}{more}; add"
            " them to the file, or leave them out with --where or --clips"
        )


def _sided(protocol: Protocol, number: int, name: str, clips: Sequence[FoldClip], sides: Sequence[Side]) -> Fold:
    """Make a fold of the side of every clip; where none validates, actors are drawn from those that train."""
    test, val = (np.array([given == side for given in sides]) for side in ("test", "val"))
    if val.any():
        return fold_of(number, test, val, name)
    # Not of a group that is tested as well: where a split leaks, this part of it need not.
    rest = [group for group in tied_groups(clips) if not test[group].any()] or tied_groups(clips, np.flatnonzero(~test))
    return drawn_fold(protocol, number, test, clips, rest, name)


def split_record(protocol: Protocol, folds: Sequence[Fold], clips: Sequence[FoldClip]) -> dict[str, Any]:
    """Say who gave the folds, for the record of a run: the column, or the file with its digest, and the folds' names.

    Returns
    -------
    dict
        ``folds``, and ``column``, or ``file``, ``sha256``, ``by`` and ``unused``: names in the file that are no clip or
        actor of the run.
    """
    names = [fold.name for fold in folds]
    if protocol.file is None:
        return {"column": protocol.column, "folds": names}
    file = protocol.file
    unused = file.unused([clip.clip_id for clip in clips], [clip.actor for clip in clips])
    return {
        "file": file.path.name, "sha256": file.sha256, "by": file.by, "folds": names, "unused": len(unused),
    }  # fmt: skip


def _values(protocol: Protocol, column: str, clips: Sequence[FoldClip]) -> list[str]:
    """Read a column as text; refuse clips without a value."""
    cells = find_column(clip_columns(clips), column, f"protocol '{protocol.name}'").to_pylist()
    values = [cell_text(cell) for cell in cells]
    if empty := [clip.clip_id for clip, value in zip(clips, values, strict=True) if not value]:
        raise ProtocolError(
            f"protocol '{protocol.name}': {len(empty)} of {len(clips)} clips have no '{column}' ({empty[0]} …); leave"
            f" them out with --where \"{column} != ''\""
        )
    return values
