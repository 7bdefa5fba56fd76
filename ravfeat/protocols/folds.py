"""Make the folds of a protocol, with no actor, performance or recording on two sides.

Conventions
-----------
Rows are integers into a sequence of clips sorted by ``clip_id``. What a clip *is* (actor,
performance, recording) is read from the shards by the caller, never from file names or label
files. Clips that share one of these stay together wherever groups are made here.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import LeakError, ProtocolError
from ravfeat.features.layers import spans
from ravfeat.manifest import actor_number
from ravfeat.protocols.groups import FoldClip, Rows, deal_clips, deal_groups, digest, group_order, tied_groups
from ravfeat.protocols.leakage import Fold, check_classes, check_folds, check_inner, check_sides, fold_counts
from ravfeat.protocols.named import Protocol

__all__ = [
    "Fold",
    "FoldClip",
    "check_allowed",
    "check_folds",
    "check_inner",
    "check_sides",
    "draw_groups",
    "fold_counts",
    "inner_folds",
    "make_folds",
]

N_INNER = 5


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
    check_allowed(protocol, allow_leak=allow_leak)
    if protocol.leaky:
        folds = _clip_folds(protocol, clips)
    elif protocol.test:
        folds = _fixed_folds(protocol, clips)
    else:
        folds = _group_folds(protocol, clips)
    check_folds(protocol, folds, clips)
    return folds


def check_allowed(protocol: Protocol, *, allow_leak: bool) -> None:
    """Refuse a leaky protocol that was not asked for as such.

    Raises
    ------
    LeakError
    """
    if protocol.leaky and not allow_leak:
        raise LeakError(
            f"protocol '{protocol.name}' puts clips of one actor on both sides: its scores say how well a model knows"
            " these actors. Add --allow-leak to run it as a control; every output will say LEAKY"
        )


def _fixed_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    numbers = [actor_number(clip.actor) for clip in clips]
    _check_actors(protocol, clips)
    by_number = np.array(numbers)
    genders = {actor_number(clip.actor): clip.gender for clip in clips}
    folds = []
    for fold, group in enumerate(protocol.test):
        val_group = protocol.val[fold] if protocol.val else _draw_gendered(protocol.name, fold, group, genders)
        # Masks over clips, from numbers of actors.
        test, val = np.isin(by_number, group), np.isin(by_number, val_group)
        folds.append(_fold(fold, test, val))
    return folds


def _check_actors(protocol: Protocol, clips: Sequence[FoldClip]) -> None:
    """Refuse other actors than the protocol names, and two actors with one number."""
    actors = sorted({clip.actor for clip in clips})
    have, want = Counter(map(actor_number, actors)), {actor for group in protocol.test for actor in group}
    lacking = sorted(want - have.keys())
    extra = [actor for actor in actors if actor_number(actor) not in want or have[actor_number(actor)] > 1]
    if not lacking and not extra:
        return
    remedy = f"use --protocol group{min(5, len(actors))}" if len(actors) > 2 else "no protocol fits fewer than 3 actors"
    others = f", and has others ({', '.join(extra[:3])} …)" if extra else ""
    raise ProtocolError(
        f"protocol '{protocol.name}' needs the actors 1 to {max(want)}, each once; the cache has {len(actors)} actors"
        f"{f', lacks {spans(lacking)}' if lacking else ''}{others}; {remedy}"
    )


def _draw_gendered(
    protocol: str, fold: int, test: Sequence[int], genders: dict[int | None, str], per_gender: int = 2
) -> list[int]:
    drawn: list[int] = []
    rest = [actor for actor in genders if actor is not None and actor not in test]
    for gender in ("male", "female"):
        candidates = [actor for actor in rest if genders[actor] == gender]
        # Ordered by a digest of names, which no seed, library or order of clips changes.
        drawn += sorted(candidates, key=lambda actor: digest(protocol, fold, actor))[:per_gender]
    # A corpus that does not say who is a man or a woman still gets its four.
    others = [actor for actor in rest if actor not in drawn]
    return drawn + sorted(others, key=lambda actor: digest(protocol, fold, actor))[: 2 * per_gender - len(drawn)]


def _fold(number: int, test: NDArray[np.bool_], val: NDArray[np.bool_]) -> Fold:
    return Fold(number, np.flatnonzero(~test & ~val), np.flatnonzero(val), np.flatnonzero(test))


def _group_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    groups = tied_groups(clips)
    if len(groups) < max(3, protocol.n_folds):
        raise ProtocolError(
            f"protocol '{protocol.name}' needs at least {max(3, protocol.n_folds)} groups of clips that share no actor,"
            f" performance or recording; the cache has {len(groups)}"
            f"{f': use --protocol group{len(groups)}' if len(groups) > 2 else ''}"
        )
    parts = deal_groups(protocol.name, clips, groups, protocol.n_folds)
    folds = []
    for number, part in enumerate(parts):
        test = np.zeros(len(clips), bool)
        test[np.concatenate(part)] = True
        # A group is tested as a whole, so its first row speaks for all.
        rest = sorted((group for group in groups if not test[group[0]]), key=group_order(protocol.name, number, clips))
        if len(rest) < 2:
            raise ProtocolError(
                f"fold {number} of '{protocol.name}' leaves {len(rest)} group of clips for training and validation;"
                f" use --protocol group{len(groups)}"
            )
        n_tested, n_left = _count_actors(clips, test), _count_actors(clips, ~test)
        # As many as are tested; where folds are so few that this would eat the training actors, half of them.
        wanted = min(n_tested, n_left // 2)
        folds.append(_fold(number, test, draw_groups(clips, rest, wanted)))
    return folds


def draw_groups(clips: Sequence[FoldClip], rest: Sequence[Rows], wanted: int) -> NDArray[np.bool_]:
    """Draw groups for validation, in order, passing over one that alone still has the training clips of a class.

    Parameters
    ----------
    clips : sequence of FoldClip
    rest : sequence of rows
        The groups that can be drawn; together they are the training and validation clips.
    wanted : int
        Actors.

    Returns
    -------
    ndarray of bool, as long as clips
    """
    val = np.zeros(len(clips), bool)
    left = Counter(clips[row].label for group in rest for row in group.tolist())
    for group in rest:
        if val.any() and _count_actors(clips, val) >= wanted:
            break
        counts = Counter(clips[row].label for row in group.tolist())
        # More, not as many: one clip of the class must be left to train on.
        if all(left[label] > count for label, count in counts.items()):
            left -= counts
            val[group] = True
    return val


def _count_actors(clips: Sequence[FoldClip], chosen: NDArray[np.bool_]) -> int:
    return len({clip.actor for clip, is_chosen in zip(clips, chosen.tolist(), strict=True) if is_chosen})


def _clip_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    # The next part validates, so every clip validates once, too.
    part = deal_clips(protocol.name, clips, np.arange(len(clips)), protocol.n_folds)
    n = protocol.n_folds
    return [_fold(number, part == number, part == (number + 1) % n) for number in range(n)]


def inner_folds(protocol: Protocol, fold: Fold, clips: Sequence[FoldClip], n: int = N_INNER) -> list[tuple[Rows, Rows]]:
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

    Raises
    ------
    ProtocolError
        Where there are too few groups, or a class cannot be learned in an inner fold.
    """
    rows = np.sort(np.concatenate([fold.train, fold.val]))  # test rows never come in
    # A name of its own: inner groups are not drawn in the order of the outer ones.
    name = f"{protocol.name}:inner{fold.number}"
    if protocol.leaky:
        part = deal_clips(name, clips, rows, n)
        return [(rows[part != i], rows[part == i]) for i in range(n)]
    groups = tied_groups(clips, rows)
    # A part of its own for every group is the most that can be dealt.
    n = min(n, len(groups))
    if n < 2:
        raise ProtocolError(f"fold {fold.number} of '{protocol.name}' has one group of clips besides its test group")
    parts = deal_groups(name, clips, groups, n)
    vals = [np.sort(np.concatenate(part)) for part in parts]
    folds = [(np.setdiff1d(rows, val), val) for val in vals]
    for number, (train, _) in enumerate(folds):
        check_classes(f"inner fold {number} of fold {fold.number} of '{protocol.name}'", train, rows, clips)
    return folds
