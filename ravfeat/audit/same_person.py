"""Find one person under two ids on two sides of a fold: pairs of ids that features which know people cannot tell apart.

Of every pair of ids it is asked how many of their clips lie nearer to the clips of their own id than to those of the
other. Nearness is that of linear discriminant analysis: to the mean of an id in its 100 first principal components,
scaled by how the clips of one id vary. The clips that make the means are of other emotions than the clip that is asked
about, as in `ravfeat.identity.probe`: only what a person keeps from emotion to emotion can help. Two people are told
apart nearly always, two halves of one person's clips half the time. (LDA for who is speaking: Dehak et al. 2011,
"Front-end factor analysis for speaker verification", doi:10.1109/TASL.2010.2064307.)

Measured on RAVDESS, 24 actors: the least distinct pair is told apart in 0.90 of its clips by Whisper tiny.en (layers 0,
2 and 4), in 0.97 by face landmarks; one actor's clips under two ids, drawn at random or by take, in 0.32 to 0.65. By
expression probabilities, and of generated voices, more than a fifth of all pairs are told apart in less than 0.95: then
nothing can be said. Nor can two ids be found that differ in more than the name: noise, a room, the sentence (Whisper:
0.83 to 0.95).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from ravfeat.audit.baseline import Baseline
from ravfeat.audit.verdicts import Line, not_possible, pass_, warn
from ravfeat.explore.embedding import principal_components
from ravfeat.explore.pooled import standardised
from ravfeat.manifest import is_unknown
from ravfeat.protocols.folds import Fold

__all__ = ["check_same_person"]

_CHECK = "one person under two ids"

_TOLD_APART = 0.75
"""Share of the clips of two ids that lie nearer to their own, up to which they may be one person."""

_HONEST, _SURE = 0.9, 1e-4
"""Share of the least distinct honest pair, and how unlikely it must make what is seen."""

_USUAL, _OF_PAIRS = 0.95, 0.8
"""Share that so many of all pairs must reach, or the features know too little of people."""

_FEWEST_CLIPS, _MOST_CLIPS, _MOST_IDS = 8, 100, 200
"""Of an id: clips that it must have, and clips that are compared; and ids that are compared."""

_COMPONENTS, _SHRINKAGE, _NAMED = 100, 0.1, 3

Array = NDArray[np.float64]


def check_same_person(baseline: Baseline, subject: str) -> list[Line]:
    """Compare every two ids that some fold has on two sides."""
    records = baseline.system.clips.records
    actors = np.array([record.actor for record in records], object)
    emotions = np.array([record.label for record in records], object)
    rows, ids = _compared(actors.tolist(), emotions.tolist())
    if len(ids) < 3:
        reason = f"it needs three ids with {_FEWEST_CLIPS} clips of two emotions, there are {len(ids)}"
        return [not_possible(_CHECK, subject, reason)]
    pairs = _on_two_sides(baseline.system.folds, actors, ids)
    x = baseline.features.frames[rows, len(baseline.features.layers) // 2].astype(np.float32)
    shares = _shares(_nearness(x, actors[rows], emotions[rows], ids), actors[rows], ids)
    usually = float(np.quantile([hits / n for hits, n in shares.values()], 1 - _OF_PAIRS))
    evidence: dict[str, Any] = {"ids": len(ids), "pairs": len(pairs), "usual": usually}
    if usually < _USUAL:
        reason = (
            f"cannot be told: of {len(shares)} pairs of ids these features tell {_OF_PAIRS:.0%} apart in {usually:.2f}"
            f" of their clips or more; {_USUAL:g} is needed"
        )
        return [not_possible(_CHECK, subject, reason, **evidence)]
    asked = sorted((shares[pair][0] / shares[pair][1], pair) for pair in pairs)
    if not asked:
        return [not_possible(_CHECK, subject, "no fold has two of the ids on two sides", **evidence)]
    same = [(share, pair) for share, pair in asked if share <= _TOLD_APART and bdtr(*shares[pair], _HONEST) < _SURE]
    evidence["least_distinct"] = [{"ids": list(pair), "told_apart": share} for share, pair in (same or asked)[:20]]
    usual = f"{_OF_PAIRS:.0%} of all pairs: {usually:.2f} and more; one person under two ids: about 0.5"
    if not same:
        share, (a, b) = asked[0]
        finding = (
            f"of {len(asked)} pairs of ids on two sides the least distinct, {a} and {b}, is told apart in {share:.2f}"
            f" of its clips ({usual}); ids that differ in noise, room or sentence too would not be seen"
        )
        return [pass_(_CHECK, subject, finding, **evidence)]
    named = "; ".join(f"{a} and {b} ({share:.2f})" for share, (a, b) in same[:_NAMED])
    finding = (
        f"{len(same)} of {len(asked)} pairs of ids on two sides are told apart in so few of their clips that each may"
        f" be one person: {named} ({usual}); make sure that they are two, or give them one id"
    )
    return [warn(_CHECK, subject, finding, **evidence)]


def _compared(actors: Sequence[str], labels: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Give the rows and ids to compare: the ids with the most clips, and of each some, the same ones every time."""
    rng = np.random.default_rng(0)
    emotions: dict[str, set[str]] = {}
    rows_of: dict[str, list[int]] = {}
    for row, (actor, label) in enumerate(zip(actors, labels, strict=True)):
        if not is_unknown(actor):
            rows_of.setdefault(actor, []).append(row)
            emotions.setdefault(actor, set()).add(label)
    known = [actor for actor in rows_of if len(rows_of[actor]) >= _FEWEST_CLIPS and len(emotions[actor]) > 1]
    ids = sorted(sorted(known, key=lambda actor: (-len(rows_of[actor]), actor))[:_MOST_IDS])
    rows = [rng.permutation(rows_of[actor])[:_MOST_CLIPS] for actor in ids]
    return np.sort(np.concatenate(rows)) if rows else np.zeros(0, np.int64), ids


def _on_two_sides(folds: Sequence[Fold], actors: NDArray[Any], ids: Sequence[str]) -> list[tuple[str, str]]:
    pairs: set[tuple[str, str]] = set()
    for fold in folds:
        tested, others = (set(actors[side].tolist()) for side in (fold.test, np.concatenate([fold.train, fold.val])))
        pairs |= {
            (a, b) for a, b in combinations(ids, 2) if (a in tested and b in others) or (b in tested and a in others)
        }
    return sorted(pairs)


def _nearness(x: NDArray[np.float32], actors: NDArray[Any], emotions: NDArray[Any], ids: Sequence[str]) -> Array:
    """Give minus the squared distance of every clip to every id, as clips of other emotions show it; shape (N, ids)."""
    p = principal_components(standardised(x), min(_COMPONENTS, len(x) // 4)).astype(np.float64)
    number = np.searchsorted(np.array(ids, object), actors)
    nearer = np.full((len(p), len(ids)), -np.inf)
    for emotion in np.unique(emotions):
        asked = emotions == emotion
        known, who = p[~asked], number[~asked]
        counts = np.bincount(who, minlength=len(ids))
        means = (
            np.stack([np.bincount(who, column, len(ids)) for column in known.T], axis=1)
            / np.maximum(counts, 1)[:, None]
        )
        within = np.cov(known - means[who], rowvar=False)
        within = (1 - _SHRINKAGE) * within + _SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
        scale = np.linalg.inv(np.linalg.cholesky(within)).T
        tested, means = p[asked] @ scale, means @ scale
        nearer[asked] = 2 * tested @ means.T - (means**2).sum(1)
        nearer[np.ix_(asked, counts == 0)] = -np.inf
    return nearer


def _shares(nearer: Array, actors: NDArray[Any], ids: Sequence[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """Of every two ids, how many of their clips lie nearer to their own, and how many there are."""
    rows = {name: np.flatnonzero(actors == name) for name in ids}
    wins = {name: (nearer[rows[name], [place]][:, None] > nearer[rows[name]]) for place, name in enumerate(ids)}
    hits = {name: won.reshape(len(rows[name]), -1).sum(0) for name, won in wins.items()}
    return {
        (a, b): (int(hits[a][j] + hits[b][i]), len(rows[a]) + len(rows[b]))
        for (i, a), (j, b) in combinations(enumerate(ids), 2)
    }
