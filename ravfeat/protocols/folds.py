"""Make the folds of a protocol, with no actor, performance or recording on two sides.

Conventions
-----------
Rows are integers into a sequence of clips sorted by ``clip_id``. What a clip *is* (actor,
performance, recording) is read from the shards by the caller, never from file names or label
files. Clips that share one of these stay together wherever groups are made here.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ravfeat.errors import LeakError, ProtocolError
from ravfeat.features.layers import spans
from ravfeat.manifest import actor_number, is_unknown
from ravfeat.protocols.drawing import draw_gendered, draw_groups, drawn_fold, fold_of
from ravfeat.protocols.fold_file import in_order
from ravfeat.protocols.given_folds import file_folds, side_folds, value_folds
from ravfeat.protocols.groups import FoldClip, Rows, deal_clips, deal_groups, digest, tied_groups
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
    "settled",
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
        Needed for a leaky protocol, and for a column or a file whose folds leak.

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
    if protocol.file is not None:
        folds = file_folds(protocol, protocol.file, clips)
    else:
        folds = _RULES[protocol.kind](protocol, clips)
    settled(protocol, folds, clips, allow_leak=allow_leak)
    return folds


def settled(
    protocol: Protocol, folds: Sequence[Fold], clips: Sequence[FoldClip], *, allow_leak: bool = False
) -> Protocol:
    """Check folds, and mark the protocol LEAKY where a column or a file gave folds that leak and it may.

    Raises
    ------
    LeakError, ProtocolError
        See `ravfeat.protocols.leakage.check_folds`.
    """
    try:
        check_folds(protocol, folds, clips)
    except LeakError:
        if not (protocol.given and allow_leak):
            raise
        protocol = replace(protocol, leaky=True)
        check_folds(protocol, folds, clips)
    return protocol


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
    _check_actors(protocol, clips)
    # Numbers as text, so that 07 and 7 are drawn alike.
    numbers = [str(actor_number(clip.actor)) for clip in clips]
    by_number = np.array(numbers)
    genders = {number: clip.gender for number, clip in zip(numbers, clips, strict=True)}
    folds = []
    for fold, group in enumerate(protocol.test):
        tested = list(map(str, group))
        val_group = (
            map(str, protocol.val[fold]) if protocol.val else draw_gendered(protocol.draw, fold, tested, genders)
        )
        # Masks over clips, from numbers of actors.
        folds.append(fold_of(fold, np.isin(by_number, tested), np.isin(by_number, list(val_group))))
    return folds


def _check_actors(protocol: Protocol, clips: Sequence[FoldClip]) -> None:
    """Refuse other actors than the protocol names, and two actors with one number."""
    actors = sorted({clip.actor for clip in clips})
    have, want = Counter(map(actor_number, actors)), {actor for group in protocol.test for actor in group}
    lacking = sorted(want - have.keys())
    extra = [actor for actor in actors if actor_number(actor) not in want or have[actor_number(actor)] > 1]
    if not lacking and not extra:
        return
    others = f", and has others ({', '.join(extra[:3])} …)" if extra else ""
    raise ProtocolError(
        f"protocol '{protocol.name}' needs the actors 1 to {max(want)}, each once; the cache has {len(actors)} actors"
        f"{f', lacks {spans(lacking)}' if lacking else ''}{others}; {_fitting(clips)}"
    )


def _fitting(clips: Sequence[FoldClip]) -> str:
    """Name the protocols that these clips have enough actors for."""
    n_actors, n_groups = len({clip.actor for clip in clips}), len(tied_groups(clips))
    if n_groups < 3:
        return f"no protocol fits fewer than 3 actors, who share no recording or performance; there are {n_groups}"
    alone = " or --protocol loso (every actor left out once)" if n_groups == n_actors else ""
    return f"use --protocol group{min(5, n_groups)}{alone}"


def _actor_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    """Test one actor after the other, numbers in their order."""
    if unknown := sum(is_unknown(clip.actor) for clip in clips):
        raise ProtocolError(
            f"protocol '{protocol.name}' leaves one actor out at a time, and of {unknown} clips nobody says who speaks;"
            " leave them out with --where \"actor != ''\""
        )
    numbers = {clip.actor: actor_number(clip.actor) for clip in clips}
    # As `loso24` calls them, "07" like "7", unless two actors would have one name.
    names = {actor: str(number) if number is not None else actor.partition(":")[2] for actor, number in numbers.items()}
    if len(set(names.values())) < len(names):
        names = dict(zip(names, names, strict=True))
    if len(names) < 3:
        raise ProtocolError(
            f"protocol '{protocol.name}' needs 3 actors, one each to train, validate and test; the cache has"
            f" {len(names)}: {', '.join(sorted(names))}"
        )
    rows = {actor: np.array([row for row, clip in enumerate(clips) if clip.actor == actor]) for actor in names}
    genders = {names[clip.actor]: clip.gender for clip in clips}
    actor_of = {name: actor for actor, name in names.items()}
    folds = []
    for number, tested in enumerate(in_order(actor_of)):
        first = draw_gendered(protocol.draw, number, [tested], genders)
        rest = sorted({*actor_of} - {tested, *first}, key=lambda name: digest(protocol.draw, number, name))
        test = np.zeros(len(clips), bool)
        test[rows[actor_of[tested]]] = True
        groups = [rows[actor_of[name]] for name in (*first, *rest)]
        folds.append(fold_of(number, test, draw_groups(clips, groups, min(4, len(groups) // 2))))
    return folds


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
        rest = [group for group in groups if not test[group[0]]]
        if len(rest) < 2:
            raise ProtocolError(
                f"fold {number} of '{protocol.name}' leaves {len(rest)} group of clips for training and validation;"
                f" use --protocol group{len(groups)}"
            )
        folds.append(drawn_fold(protocol, number, test, clips, rest))
    return folds


def _clip_folds(protocol: Protocol, clips: Sequence[FoldClip]) -> list[Fold]:
    # The next part validates, so every clip validates once, too.
    part = deal_clips(protocol.name, clips, np.arange(len(clips)), protocol.n_folds)
    n = protocol.n_folds
    return [fold_of(number, part == number, part == (number + 1) % n) for number in range(n)]


_RULES: Mapping[str, Callable[[Protocol, Sequence[FoldClip]], list[Fold]]] = {
    "published": _fixed_folds,
    "groups": _group_folds,
    "actors": _actor_folds,
    "clips": _clip_folds,
    "values": value_folds,
    "sides": side_folds,
}


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
    name = f"{protocol.draw}:inner{fold.number}"
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
