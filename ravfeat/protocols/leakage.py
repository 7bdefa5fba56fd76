"""Check folds for leaks: no actor, performance or recording on two sides, every clip tested once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ravfeat.errors import LeakError, ProtocolError
from ravfeat.protocols.groups import FoldClip, Rows, ties
from ravfeat.protocols.named import Protocol
from ravfeat.short_repr import short_repr

__all__ = ["Fold", "check_classes", "check_folds", "check_inner", "check_sides", "fold_counts"]

_SHOWN = 12
"""Actors that a message names."""


@short_repr
@dataclass(frozen=True)
class Fold:
    """One outer fold.

    Attributes
    ----------
    number : int
        From 0.
    train, val, test : ndarray of int64
        Rows, sorted.
    name : str
        What the column or the file that says who is tested calls it.
    """

    number: int
    train: Rows
    val: Rows
    test: Rows
    name: str = ""


def check_folds(protocol: Protocol, folds: Sequence[Fold], clips: Sequence[FoldClip]) -> None:
    """Refuse folds that leak, forget or repeat.

    In every fold train, val and test are disjoint and together hold every clip (so the union of
    their actors is all actors); no actor, performance or recording is on two sides; every clip is
    tested exactly once (of an official split, once at most); every class can be learned; groups that
    the protocol balances by gender are.

    Raises
    ------
    LeakError, ProtocolError
    """
    tested = np.zeros(len(clips), dtype=np.int64)
    for fold in folds:
        sides = {"train": fold.train, "val": fold.val, "test": fold.test}
        # As many rows as clips, and no row twice: then the sides part the clips.
        together = np.concatenate(list(sides.values()))
        if len(together) != len(clips) or len(np.unique(together)) != len(clips):
            raise ProtocolError(
                f"fold {fold.number} of '{protocol.name}' holds {len(np.unique(together))} of {len(clips)} clips,"
                f" {len(together) - len(np.unique(together))} twice"
            )
        if empty := [side for side, rows in sides.items() if not len(rows)]:
            raise ProtocolError(f"fold {fold.number} of '{protocol.name}' has no clip in {' and '.join(empty)}")
        if not protocol.leaky:
            _check_fold(protocol, fold, sides, clips)
        check_classes(f"fold {fold.number} of '{protocol.name}'", fold.train, np.arange(len(clips)), clips)
        tested[fold.test] += 1
    wrong = np.flatnonzero(tested != 1 if protocol.tests_all else tested > 1)
    if len(wrong):
        row = int(wrong[0])
        raise ProtocolError(f"'{protocol.name}' tests clip '{clips[row].clip_id}' {tested[row]} times, expected once")
    # For every protocol: this refuses an actor who has two genders.
    genders = _genders(clips)
    if protocol.per_gender:
        for fold in folds:
            _check_balance(protocol, fold, genders, clips)


def _check_fold(protocol: Protocol, fold: Fold, sides: dict[str, Rows], clips: Sequence[FoldClip]) -> None:
    """Refuse sides that share an actor, a performance or a recording; name all actors where somebody gave the sides."""
    where = f"fold {fold.number}{f' ({fold.name})' if fold.name else ''} of '{protocol.name}'"
    remedy = "use --protocol groupK, which keeps tied clips together"
    if not protocol.given:
        check_sides(where, sides, clips, remedy)
        return
    of_sides = {side: {clips[row].actor for row in rows.tolist()} for side, rows in sides.items()}
    counts = Counter(actor for actors in of_sides.values() for actor in actors)
    remedy = f"{remedy}; as a control, which every output calls LEAKY, it runs with --allow-leak"
    if shared := sorted(actor for actor, n in counts.items() if n > 1):
        listing = ", ".join(
            f"{actor} in {' and '.join(side for side, actors in of_sides.items() if actor in actors)}"
            for actor in shared[:_SHOWN]
        )
        more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
        raise LeakError(
            f"{where} leaks: {len(shared)} of {len(counts)} actors are on two sides ({listing}{more}); {remedy}"
        )
    check_sides(where, sides, clips, remedy)


def check_inner(protocol: Protocol, fold: Fold, inner: Sequence[tuple[Rows, Rows]], clips: Sequence[FoldClip]) -> None:
    """Refuse inner folds that leak: no actor, performance or recording is on two sides.

    Parameters
    ----------
    protocol : Protocol
        Those of a leaky one are meant to leak.
    fold : Fold
        Whose non-test rows the inner folds split.
    inner : sequence of (train, val)
    clips : sequence of FoldClip
        As any of the concatenated caches knows them.

    Raises
    ------
    LeakError
    """
    if protocol.leaky:
        return
    remedy = "use a protocol that has validation actors" if protocol.always_nested else "choose on validation actors"
    for number, (train, val) in enumerate(inner):
        where = f"inner fold {number} of fold {fold.number} of '{protocol.name}'"
        check_sides(where, {"train": train, "val": val}, clips, f"{remedy}: --select val")


def check_classes(where: str, train: Rows, rows: Rows, clips: Sequence[FoldClip]) -> None:
    """Refuse a training side that lacks a class which is among all rows."""
    counts = Counter(clips[row].label for row in rows)
    if lacking := sorted(counts.keys() - {clips[row].label for row in train}):
        actors = sorted({clips[row].actor for row in rows if clips[row].label == lacking[0]})
        raise ProtocolError(
            f"{where} has no training clip of {lacking}; all {counts[lacking[0]]} clips of '{lacking[0]}' are by"
            f" {len(actors)} actors ({', '.join(actors[:3])}{' …' if len(actors) > 3 else ''}): choose a protocol that"
            " tests fewer actors at once, or leave the class out with --labels FILE"
        )


def _genders(clips: Sequence[FoldClip]) -> dict[str, str]:
    genders: dict[str, tuple[str, str]] = {}
    for clip in clips:
        # An unknown gender contradicts nobody; only two that are known can.
        gender, first = genders.setdefault(clip.actor, (clip.gender, clip.clip_id)) if clip.gender else ("", "")
        if gender != clip.gender:
            raise ProtocolError(
                f"actor '{clip.actor}' is '{gender}' in clip '{first}' and '{clip.gender}' in clip '{clip.clip_id}';"
                " correct the corpus and extract it anew"
            )
    return {actor: gender for actor, (gender, _) in genders.items()}


def _check_balance(protocol: Protocol, fold: Fold, genders: dict[str, str], clips: Sequence[FoldClip]) -> None:
    for side, rows in (("test", fold.test), ("val", fold.val)):
        actors = sorted({clips[row].actor for row in rows})
        counts = Counter(genders.get(actor, "") for actor in actors)
        # Where the shards do not know every actor's gender, balance cannot be judged.
        if not counts[""] and (counts["male"], counts["female"]) != (protocol.per_gender, protocol.per_gender):
            raise ProtocolError(
                f"fold {fold.number} of '{protocol.name}' must have {protocol.per_gender} men and"
                f" {protocol.per_gender} women in {side}, the shards say {counts['male']} and {counts['female']}"
                f" ({', '.join(f'{actor} {genders[actor]}' for actor in actors)})"
            )


def check_sides(where: str, sides: dict[str, Rows], clips: Sequence[FoldClip], remedy: str) -> None:
    """Refuse sides that share an actor, a performance or a recording.

    Parameters
    ----------
    where : str
        What the sides are of, and `remedy` what else could be done than correct the corpus, for the message.
    sides : dict of str to rows
    clips : sequence of FoldClip
    remedy : str

    Raises
    ------
    LeakError
    """
    # One pass over all sides: what was seen on one side and comes again on another is the leak.
    seen: dict[tuple[str, str], tuple[str, FoldClip]] = {}
    for side, rows in sides.items():
        for row in rows:
            clip = clips[row]
            for kind, value in ties(clip):
                # Keeps the first clip that had this tie; another one on the same side is no leak.
                other_side, other = seen.setdefault((kind, value), (side, clip))
                if other_side != side:
                    shared = f"{kind} '{value[:16]}…'" if kind == "recording" else f"{kind} '{value}'"
                    raise LeakError(
                        f"{where} leaks: {shared} is in {other_side} (clip '{other.clip_id}', {other.actor}) and in"
                        f" {side} (clip '{clip.clip_id}', {clip.actor}); correct the corpus, or {remedy}"
                    )


def fold_counts(folds: Sequence[Fold], clips: Sequence[FoldClip]) -> list[dict[str, object]]:
    """Count clips, actors, classes and genders of every side of every fold, for the record."""

    def count(rows: Rows, of: Callable[[FoldClip], str]) -> dict[str, int]:
        return dict(sorted(Counter(of(clips[row]) for row in rows).items()))

    return [
        {
            "fold": fold.number,
            "split": side,
            "clips": len(rows),
            "actors": sorted({clips[row].actor for row in rows}),
            "labels": count(rows, lambda clip: clip.label),
            "genders": count(rows, lambda clip: clip.gender or "unknown"),
        }
        for fold in folds
        for side, rows in (("train", fold.train), ("val", fold.val), ("test", fold.test))
    ]
