"""Group clips that must stay together (an actor, a performance, a recording), and deal groups into even parts.

Conventions
-----------
Rows are integers into a sequence of clips. Clips are tied when they share an actor, a performance
or a decoded recording. Whatever has to be chosen at random is ordered by a SHA-256 of names, so
that it depends on nothing else: not on the order of the clips, not on a seed, not on a library.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.columns import KnownClip
from ravfeat.manifest import actor_number

__all__ = ["FoldClip", "Rows", "deal_clips", "deal_groups", "digest", "group_order", "tied_groups", "ties"]

Rows = NDArray[np.int64]


class FoldClip(KnownClip, Shape):
    """What a fold must know of a clip: what its table says, and which recording it is."""

    @property
    def input_sha256(self) -> str: ...  # noqa: D102


def digest(protocol: str, fold: int, name: object) -> str:
    """Place of an actor or a performance in the draw of a fold."""
    return hashlib.sha256(f"{protocol}:{fold}:{name}".encode()).hexdigest()


def group_order(name: str, fold: int, clips: Sequence[FoldClip]) -> Callable[[Rows], tuple[str, str]]:
    """Order of groups that depends on names alone: the digest of a group's first actor."""

    def key(group: Rows) -> tuple[str, str]:
        number, actor = min(_actor_key(clips[row]) for row in group)
        return digest(name, fold, number), actor

    return key


def _actor_key(clip: FoldClip) -> tuple[str, str]:
    # Without the corpus's name: the same actor numbers are drawn alike in every corpus, "07" like "7".
    number = actor_number(clip.actor)
    return str(number) if number is not None else clip.actor.partition(":")[2], clip.actor


def tied_groups(
    clips: Sequence[FoldClip], rows: Iterable[int] | None = None, values: Sequence[str] | None = None
) -> list[Rows]:
    """Put clips together that share an actor, a performance or a recording, directly or through others.

    Parameters
    ----------
    clips : sequence of FoldClip
    rows : iterable of int, optional
        Those to group; all by default.
    values : sequence of str, optional
        A value of every clip; clips of one value stay together, too.

    Returns
    -------
    list of ndarray of int64
        Rows of every group, groups in the order of their first clip.
    """
    chosen = list(range(len(clips)) if rows is None else rows)
    parent = {row: row for row in chosen}  # a union-find forest; its roots are the first rows of the groups

    def root(row: int) -> int:
        while parent[row] != row:
            # Halves the path on the way, which keeps later walks short.
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row in chosen:
        for tie in [*ties(clips[row]), *([] if values is None else [("value", values[row])])]:
            other = first.setdefault(tie, row)
            # The smaller row becomes the root, so groups do not depend on the order in which ties are met.
            parent[max(root(other), root(row))] = min(root(other), root(row))
    groups: dict[int, list[int]] = defaultdict(list)
    for row in chosen:
        groups[root(row)].append(row)
    return [np.array(group, dtype=np.int64) for group in groups.values()]


def ties(clip: FoldClip) -> list[tuple[str, str]]:
    """Give what must not be on two sides, as (kind, value)."""
    return [("actor", clip.actor), ("performance", clip.performance_id), ("recording", clip.input_sha256)]


def deal_groups(name: str, clips: Sequence[FoldClip], groups: Sequence[Rows], n: int) -> list[list[Rows]]:
    """Deal groups of clips into n parts, classes and genders as even as can be.

    The greedy rule of stratified group k-fold: the largest group first, each to the part that it
    evens out most.
    """
    kinds = sorted(
        {(kind, value) for clip in clips for kind, value in (("label", clip.label), ("gender", clip.gender))}
    )
    position = {kind: i for i, kind in enumerate(kinds)}
    # By identity, because an array cannot be a key.
    counts = {id(group): _count(clips, group, position) for group in groups}
    # Inner folds deal some of the groups: a kind that none of these has must not divide by 0.
    total = np.maximum(sum(counts.values()), 1)
    by_name = group_order(name, 0, clips)
    # Large groups first: a small one can still even out what they left, not the other way round.
    order = sorted(groups, key=lambda group: (-len(group), by_name(group)))
    parts: list[list[Rows]] = [[] for _ in range(n)]
    filled = np.zeros((n, len(kinds)))
    for group in order:
        empty = [i for i in range(n) if not parts[i]]
        share = (filled + counts[id(group)]) / total  # (n, kinds): what each part would hold of everything
        before = filled / total
        # Squares grow least where a part still has little of what the group brings.
        growth = (share**2 - before**2).sum(1)
        # No part may stay empty, or a fold would have nobody to test.
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


def deal_clips(name: str, clips: Sequence[FoldClip], rows: Rows, n: int) -> Rows:
    """Deal single clips into n parts, classes as even as can be; gives the part of every row.

    The order is that of performances, so that a voice and a face of one performance come into the same part.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        by_label[clips[row].label].append(position)
    part = np.empty(len(rows), dtype=np.int64)
    dealt = 0
    for label in sorted(by_label):
        for position in sorted(by_label[label], key=lambda p: _clip_order(name, clips[int(rows[p])])):
            part[position] = dealt % n
            dealt += 1  # goes on from class to class, so that the rests of all classes do not meet in one part
    return part


def _clip_order(name: str, clip: FoldClip) -> tuple[str, str]:
    return digest(name, 0, clip.performance_id), clip.clip_id
