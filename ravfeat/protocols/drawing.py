"""Draw validation actors: by a digest of names, which no seed, library or order of clips changes."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.protocols.groups import FoldClip, Rows, digest, group_order
from ravfeat.protocols.leakage import Fold
from ravfeat.protocols.named import Protocol

__all__ = ["Mask", "draw_gendered", "draw_groups", "drawn_fold", "fold_of"]

Mask = NDArray[np.bool_]


def fold_of(number: int, test: Mask, val: Mask, name: str = "") -> Fold:
    """Make a fold of masks over the clips: what is neither tested nor validates is trained on."""
    return Fold(number, np.flatnonzero(~test & ~val), np.flatnonzero(val), np.flatnonzero(test), name)


def drawn_fold(
    protocol: Protocol, number: int, test: Mask, clips: Sequence[FoldClip], rest: Sequence[Rows], name: str = ""
) -> Fold:
    """Make a fold whose validation groups are drawn from the rest: as many actors as are tested, at most half.

    Parameters
    ----------
    protocol : Protocol
    number : int
    test : ndarray of bool, as long as clips
    clips : sequence of FoldClip
    rest : sequence of rows
        The groups that are not tested.
    name : str
        Of the fold.
    """
    ordered = sorted(rest, key=group_order(protocol.draw, number, clips))
    n_tested, n_left = _count_actors(clips, test), _count_actors(clips, ~test)
    # As many as are tested; where folds are so few that this would eat the training actors, half of them.
    val = draw_groups(clips, ordered, min(n_tested, n_left // 2))
    return fold_of(number, test, val, name)


def draw_groups(clips: Sequence[FoldClip], rest: Sequence[Rows], wanted: int) -> Mask:
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


def draw_gendered(
    protocol: str, fold: int, test: Sequence[str], genders: Mapping[str, str], per_gender: int = 2
) -> list[str]:
    """Draw actors for validation: two men and two women, where the corpus says who is which.

    Parameters
    ----------
    protocol : str
    fold : int
    test : sequence of str
        Actors that are tested.
    genders : mapping of str to str
        Gender of every actor.
    per_gender : int

    Returns
    -------
    list of str
        Twice `per_gender` actors, fewer where there are fewer.
    """
    drawn: list[str] = []
    rest = [actor for actor in genders if actor not in test]
    for gender in ("male", "female"):
        candidates = [actor for actor in rest if genders[actor] == gender]
        # Ordered by a digest of names, which no seed, library or order of clips changes.
        drawn += sorted(candidates, key=lambda actor: digest(protocol, fold, actor))[:per_gender]
    # A corpus that does not say who is a man or a woman still gets its four.
    others = [actor for actor in rest if actor not in drawn]
    return drawn + sorted(others, key=lambda actor: digest(protocol, fold, actor))[: 2 * per_gender - len(drawn)]


def _count_actors(clips: Sequence[FoldClip], chosen: Mask) -> int:
    return len({clip.actor for clip, is_chosen in zip(clips, chosen.tolist(), strict=True) if is_chosen})
