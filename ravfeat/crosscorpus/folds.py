"""Make the one fold of a test on another corpus: training and validation actors of the first, all of the second.

Conventions
-----------
Rows 0 to N_train - 1 are clips of the corpus that is trained on, the others of the one that is tested on.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from ravfeat.errors import ProtocolError
from ravfeat.protocols.folds import Fold, FoldClip, check_sides, draw_groups
from ravfeat.protocols.groups import Rows, group_order, tied_groups
from ravfeat.protocols.named import Protocol

__all__ = ["PROTOCOL", "cross_fold"]

PROTOCOL = Protocol("cross-corpus")
"""Not among those that ``--protocol`` names: it takes two corpora."""


def cross_fold(clips: Sequence[FoldClip], n_train: int) -> Fold:
    """Draw validation actors in the corpus that is trained on, and test all of the other.

    A fifth of the actors is drawn, at least two where there are six or more: in the order of a digest of their
    names, men and women by turns where it is known who is which.

    Parameters
    ----------
    clips : sequence of FoldClip
        Of both corpora.
    n_train : int
        How many of them are of the corpus that is trained on.

    Raises
    ------
    LeakError
        Where an actor, a performance or a recording is on two sides.
    ProtocolError
        Where the corpus cannot be divided, or a class is left without a training clip.
    """
    groups = tied_groups(clips, range(n_train))
    if len(groups) < 2:
        raise ProtocolError(
            f"the training corpus has {len(groups)} group of clips that share no actor, performance or recording;"
            " training and validation need one each"
        )
    val = draw_groups(clips, _by_turns(clips, groups), _n_val_actors(len({clip.actor for clip in clips[:n_train]})))
    rows = np.arange(len(clips))
    fold = Fold(0, np.flatnonzero(~val & (rows < n_train)), np.flatnonzero(val), rows[n_train:])
    _check_trained_classes(fold, clips, n_train)
    sides = {"train": fold.train, "val": fold.val, "test": fold.test}
    check_sides(f"the fold of '{PROTOCOL.name}'", sides, clips, "take it out of one of the corpora")
    return fold


def _n_val_actors(n_actors: int) -> int:
    return max(n_actors // 5, min(2, n_actors // 3), 1)


def _by_turns(clips: Sequence[FoldClip], groups: Sequence[Rows]) -> list[Rows]:
    ordered = sorted(groups, key=group_order(PROTOCOL.name, 0, clips))
    genders = {clips[group[0]].gender for group in groups}
    if "" in genders:
        return ordered
    # By turns through the genders, so that few validation actors are not all of one.
    queues = [[group for group in ordered if clips[group[0]].gender == gender] for gender in sorted(genders)]
    return [group for turn in zip_longest(*queues) for group in turn if group is not None]


def _check_trained_classes(fold: Fold, clips: Sequence[FoldClip], n_train: int) -> None:
    trained = {clips[row].label for row in fold.train}
    if not len(fold.val):
        raise ProtocolError(
            "no actors of the training corpus can be spared for validation: each alone has the clips of some class;"
            " add clips, or map that class's labels to another class"
        )
    if lacking := sorted({clip.label for clip in clips[:n_train]} - trained):
        raise ProtocolError(
            f"training has no clip of {lacking}, all are by the validation actors; map these labels to another class,"
            " or leave them out of the map"
        )
