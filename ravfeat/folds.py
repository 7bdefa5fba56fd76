"""Folds that nobody sits on two sides of, and the check that proves it.

Conventions
-----------
Rows are integers into a sequence of clips sorted by ``clip_id``. What a clip *is* (actor,
performance, recording) is read from the shards by the caller, never from file names or label
files. Clips are tied when they share an actor, a performance or a decoded recording; tied clips stay
together wherever groups are made here.

Offers
------
Fold, FoldClip, make_folds, check_folds, inner_folds, fold_counts.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import LeakError, ProtocolError
from ravfeat.manifest import actor_number
from ravfeat.protocols import Protocol

__all__ = ["Fold", "FoldClip", "check_folds", "fold_counts", "inner_folds", "make_folds"]

N_INNER = 5
Rows = NDArray[np.int64]


class FoldClip(Shape):
    """What a fold must know of a clip."""

    @property
    def clip_id(self) -> str: ...  # noqa: D102
    @property
    def performance_id(self) -> str: ...  # noqa: D102
    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def gender(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def input_sha256(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Fold:
    """One outer fold.

    Attributes
    ----------
    number : int
        From 0.
    train, val, test : ndarray of int64
        Rows, sorted.
    """

    number: int
    train: Rows
    val: Rows
    test: Rows


def make_folds(protocol: Protocol, clips: Sequence[FoldClip], *, allow_leak: bool = False) -> list[Fold]:
    """Apply a protocol to clips and check the result.

    Parameters
    ----------
    protocol : Protocol
    clips : sequence of FoldClip
        Sorted by ``clip_id``.
    allow_leak : bool
        Needed for a leaky protocol.

    Returns
    -------
    list of Fold

    Raises
    ------
    LeakError
        Where an actor, performance or recording would sit on two sides.
    ProtocolError
        Where the protocol does not fit the corpus.
    """
    if protocol.leaky:
        if not allow_leak:
            raise LeakError(
                f"protocol '{protocol.name}' puts clips of one actor on both sides: its scores say how well a model"
                " knows these actors. Add --allow-leak to run it as a control; every output will say LEAKY"
            )
        folds = _clip_folds(protocol, clips)
    elif protocol.test:
        folds = _fixed_folds(protocol, clips)
    else:
        folds = _group_folds(protocol, clips)
    check_folds(protocol, folds, clips)
    return folds


def _fixed_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    numbers = [actor_number(clip.actor) for clip in clips]
    have, want = set(numbers), {actor for group in protocol.test for actor in group}
    if have != want:
        n_actors = len({clip.actor for clip in clips})
        lacking, extra = sorted(want - have), sorted(str(n) for n in have - want)
        raise ProtocolError(
            f"protocol '{protocol.name}' needs the actors 1 to {max(want)}; the cache has {n_actors} actors"
            f"{f', lacks {lacking}' if lacking else ''}{f', and has others ({extra[0]} …)' if extra else ''}."
            f" Use --protocol group{min(5, max(2, n_actors))} for any other set of actors"
        )
    by_number = np.array(numbers)
    genders = {actor_number(clip.actor): clip.gender for clip in clips}
    folds = []
    for fold, group in enumerate(protocol.test):
        val_group = protocol.val[fold] if protocol.val else _draw_gendered(protocol.name, fold, group, genders)
        test, val = np.isin(by_number, group), np.isin(by_number, val_group)
        folds.append(_fold(fold, test, val))
    return folds


def _draw_gendered(
    protocol: str, fold: int, test: Sequence[int], genders: dict[int | None, str], per_gender: int = 2
) -> list[int]:
    drawn: list[int] = []
    rest = [actor for actor in genders if actor is not None and actor not in test]
    for gender in ("male", "female"):
        mine = [actor for actor in rest if genders[actor] == gender]
        drawn += sorted(mine, key=lambda actor: _key(protocol, fold, actor))[:per_gender]
    # A corpus that does not say who is a man or a woman still gets its four.
    others = [actor for actor in rest if actor not in drawn]
    return drawn + sorted(others, key=lambda actor: _key(protocol, fold, actor))[: 2 * per_gender - len(drawn)]


def _key(protocol: str, fold: int, who: object) -> str:
    return hashlib.sha256(f"{protocol}:{fold}:{who}".encode()).hexdigest()


def _fold(number: int, test: NDArray[np.bool_], val: NDArray[np.bool_]) -> Fold:
    return Fold(number, np.flatnonzero(~test & ~val), np.flatnonzero(val), np.flatnonzero(test))


def _group_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    groups = tied_groups(clips)
    if len(groups) < protocol.n_folds + 1:
        raise ProtocolError(
            f"protocol '{protocol.name}' needs at least {protocol.n_folds + 1} groups of clips that share no actor,"
            f" performance or recording (test, validation, training); the cache has {len(groups)}"
        )
    parts = _deal_groups(protocol.name, clips, groups, protocol.n_folds)
    folds = []
    for number, part in enumerate(parts):
        test = np.zeros(len(clips), bool)
        test[np.concatenate(part)] = True
        rest = sorted(
            (group for group in groups if not test[group[0]]),
            key=lambda group: _key(protocol.name, number, min(_actor_key(clips[row]) for row in group)),
        )
        wanted = len({clips[row].actor for row in np.flatnonzero(test)})
        folds.append(_fold(number, test, _draw_groups(clips, rest, wanted)))
    return folds


def _draw_groups(clips: Sequence[FoldClip], rest: Sequence[Rows], wanted: int) -> NDArray[np.bool_]:
    val = np.zeros(len(clips), bool)
    for group in rest[:-1]:  # the last group stays for training, whatever happens
        if len({clips[row].actor for row in np.flatnonzero(val)}) >= wanted:
            break
        val[group] = True
    return val


def _actor_key(clip: FoldClip) -> str:
    number = actor_number(clip.actor)
    return str(number) if number is not None else clip.actor.partition(":")[2]


def tied_groups(clips: Sequence[FoldClip], rows: Iterable[int] | None = None) -> list[Rows]:
    """Put clips together that share an actor, a performance or a recording, directly or through others.

    Returns
    -------
    list of ndarray of int64
        Rows of every group, groups in the order of their first clip.
    """
    chosen = list(range(len(clips)) if rows is None else rows)
    parent = {row: row for row in chosen}

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row in chosen:
        for tie in _ties(clips[row]):
            other = first.setdefault(tie, row)
            parent[max(root(other), root(row))] = min(root(other), root(row))
    groups: dict[int, list[int]] = defaultdict(list)
    for row in chosen:
        groups[root(row)].append(row)
    return [np.array(group, dtype=np.int64) for group in groups.values()]


def _ties(clip: FoldClip) -> list[tuple[str, str]]:
    return [("actor", clip.actor), ("performance", clip.performance_id), ("recording", clip.input_sha256)]


def _deal_groups(name: str, clips: Sequence[FoldClip], groups: Sequence[Rows], n: int) -> list[list[Rows]]:
    # Largest group first, each to the part whose classes and genders it evens out most: the greedy rule
    # of stratified group k-fold, with ties broken by digest so that it depends on names alone.
    kinds = sorted({(kind, value) for clip in clips for kind, value in (("label", clip.label), ("gender", clip.gender))})
    position = {kind: i for i, kind in enumerate(kinds)}
    counts = {id(group): _count(clips, group, position) for group in groups}
    total = np.maximum(sum(counts.values()), 1)
    order = sorted(groups, key=lambda g: (-len(g), _key(name, 0, min(_actor_key(clips[row]) for row in g))))
    parts: list[list[Rows]] = [[] for _ in range(n)]
    filled = np.zeros((n, len(kinds)))
    for group in order:
        empty = [i for i in range(n) if not parts[i]]
        share = (filled + counts[id(group)]) / total  # (n, kinds): what each part would hold of everything
        before = filled / total
        growth = (share**2 - before**2).sum(1)
        best = empty[0] if empty else int(np.argmin(growth))
        parts[best].append(group)
        filled[best] += counts[id(group)]
    return parts


def _count(clips: Sequence[FoldClip], rows: Rows, position: dict[tuple[str, str], int]) -> NDArray[np.float64]:
    counts = np.zeros(len(position))
    for row in rows:
        counts[position["label", clips[row].label]] += 1
        counts[position["gender", clips[row].gender]] += 1
    return counts


def _clip_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    part = _deal_clips(protocol.name, clips, np.arange(len(clips)), protocol.n_folds)
    n = protocol.n_folds
    return [_fold(number, part == number, part == (number + 1) % n) for number in range(n)]


def _deal_clips(name: str, clips: Sequence[FoldClip], rows: Rows, n: int) -> NDArray[np.int64]:
    by_label: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        by_label[clips[row].label].append(position)
    part = np.empty(len(rows), dtype=np.int64)
    dealt = 0
    for label in sorted(by_label):
        for position in sorted(by_label[label], key=lambda p: _key(name, 0, clips[rows[p]].clip_id)):
            part[position] = dealt % n
            dealt += 1
    return part


def inner_folds(
    protocol: Protocol, fold: Fold, clips: Sequence[FoldClip], n: int = N_INNER
) -> list[tuple[Rows, Rows]]:
    """Split the non-test rows of a fold once more, for nested selection.

    Parameters
    ----------
    protocol : Protocol
        A leaky one gets leaky inner folds, or it would not be the control it is meant to be.
    fold : Fold
    clips : sequence of FoldClip
    n : int
        Inner folds; fewer where there are fewer groups.

    Returns
    -------
    list of (train, val)
        Rows; every non-test row is in exactly one ``val``.
    """
    rows = np.sort(np.concatenate([fold.train, fold.val]))
    name = f"{protocol.name}:inner{fold.number}"
    if protocol.leaky:
        part = _deal_clips(name, clips, rows, n)
        return [(rows[part != i], rows[part == i]) for i in range(n)]
    groups = tied_groups(clips, rows)
    n = min(n, len(groups))
    if n < 2:
        raise ProtocolError(f"fold {fold.number} of '{protocol.name}' has one group of clips besides its test group")
    parts = _deal_groups(name, clips, groups, n)
    vals = [np.sort(np.concatenate(part)) for part in parts]
    return [(np.setdiff1d(rows, val), val) for val in vals]


def check_folds(protocol: Protocol, folds: Sequence[Fold], clips: Sequence[FoldClip]) -> None:
    """Refuse folds that leak, forget or repeat.

    In every fold train, val and test are disjoint and together hold every clip (so the union of
    their actors is all actors); no actor, performance or recording is on two sides; every clip is
    tested exactly once; every class can be learned.

    Raises
    ------
    LeakError, ProtocolError
    """
    tested = np.zeros(len(clips), dtype=np.int64)
    classes = {clip.label for clip in clips}
    for fold in folds:
        sides = {"train": fold.train, "val": fold.val, "test": fold.test}
        together = np.concatenate(list(sides.values()))
        if len(together) != len(clips) or len(np.unique(together)) != len(clips):
            raise ProtocolError(
                f"fold {fold.number} of '{protocol.name}' holds {len(np.unique(together))} of {len(clips)} clips,"
                f" {len(together) - len(np.unique(together))} twice"
            )
        if empty := [side for side, rows in sides.items() if not len(rows)]:
            raise ProtocolError(f"fold {fold.number} of '{protocol.name}' has no clip in {' and '.join(empty)}")
        if not protocol.leaky:
            _check_sides(protocol.name, fold.number, sides, clips)
        if lacking := sorted(classes - {clips[row].label for row in fold.train}):
            raise ProtocolError(f"fold {fold.number} of '{protocol.name}' has no training clip of {lacking}")
        tested[fold.test] += 1
    if (tested != 1).any():
        row = int(np.flatnonzero(tested != 1)[0])
        raise ProtocolError(f"'{protocol.name}' tests clip '{clips[row].clip_id}' {tested[row]} times, expected once")


def _check_sides(name: str, number: int, sides: dict[str, Rows], clips: Sequence[FoldClip]) -> None:
    seen: dict[tuple[str, str], tuple[str, FoldClip]] = {}
    for side, rows in sides.items():
        for row in rows:
            clip = clips[row]
            for kind, value in _ties(clip):
                other_side, other = seen.setdefault((kind, value), (side, clip))
                if other_side != side:
                    what = f"{kind} '{value[:16]}…'" if kind == "recording" else f"{kind} '{value}'"
                    raise LeakError(
                        f"fold {number} of '{name}' leaks: {what} is in {other_side} (clip '{other.clip_id}',"
                        f" {other.actor}) and in {side} (clip '{clip.clip_id}', {clip.actor}); correct the corpus, or"
                        " use --protocol groupK, which keeps tied clips together"
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
