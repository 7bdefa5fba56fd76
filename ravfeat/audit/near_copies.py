"""Find near copies of training clips among test clips by their features: noisier, louder, resampled, under other ids.

Equal recordings are found by their digests (`ravfeat.audit.folds`); a changed copy has another one. So the clips of the
two sides of every fold are compared by the pooled first stored layer, the nearest to the sound, whitened in the space
of its principal components, with the cosine. Two things are asked:

- Are two clips on two sides the nearest of each other, and as alike as copies (`_SAME`)?
- Has a test clip one clip of the other side for its partner: are they the nearest of each other, and is the second
  nearest farther behind the first than the tenth is behind the second? By chance few clips have one. Of copies so noisy
  that no pair is told by its similarity, most have. (Compare the ratio test of Lowe 2004, "Distinctive image features
  from scale-invariant keypoints", IJCV 60.)

Two corpora are each standardised by themselves, so that what a room or a microphone adds to all clips falls out.

Measured on RAVDESS (1440 clips; Whisper tiny.en and face landmarks; folds of ``ravdess6``, ``loso24`` and halves): no
two clips of two actors are more alike than 0.66, and of no actor more than 0.27 of the clips have a partner; of six
actors' copies with noise at 20 dB, 0.80 to 0.97 in Whisper's first layer, 0.43 to 0.88 in its third. The fewer clips
there are, the fewer components, and the more alike all are: of drawn parts of 168 clips (21 components) up to 0.92, of
288 (36) up to 0.84. Where the features have fewer than 20 directions (expression probabilities) nothing can be told.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from ravfeat.audit.baseline import Baseline
from ravfeat.audit.verdicts import Line, not_possible, pass_, warn
from ravfeat.cache.format import ClipRecord
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.explore.embedding import principal_components
from ravfeat.explore.pooled import drawn, standardised

__all__ = ["check_near_copies"]

_CHECK = "near copies by features"

_SAME, _SAME_OF_FEW = 0.9, 0.97
"""Cosine from which two clips that are the nearest of each other are named; the second below 40 components."""

_PARTNERS = 0.45
"""Share of an actor's test clips with a partner, from which they are called copies."""

_BY_CHANCE, _SURE = 0.27, 1e-4
"""Share that the most alike honest actor has, and how unlikely it must make what is seen."""

_COMPONENTS, _CLIPS_EACH, _FEW, _FEWEST = 150, 8, 40, 20
"""Principal components at most, clips that each needs, and how many are few, and too few."""

_MOST_CLIPS = 5000
_NAMED = 3

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class _Nearest(NamedTuple):
    """Of M tested clips the nearest clip on the other side of their fold.

    Attributes
    ----------
    tested, nearest : ndarray of shape (M,), int64
        Rows.
    similarity : ndarray of shape (M,), float32
    mutual, partner : ndarray of shape (M,), bool
        Whether each is the nearest of the other, and whether nothing else comes near.
    """

    tested: Rows
    nearest: Rows
    similarity: Floats
    mutual: NDArray[np.bool_]
    partner: NDArray[np.bool_]


def check_near_copies(baseline: Baseline, subject: str) -> list[Line]:
    """Compare every test clip with the clips that its fold trains and validates on."""
    kept = drawn(np.arange(len(baseline.system.clips.records)), _MOST_CLIPS)
    white = _whitened(baseline, kept)
    if white.shape[1] < _FEWEST:
        reason = (
            f"{len(kept)} clips and {white.shape[1]} directions of the features are too few to tell copies from clips"
            f" that are alike; {_FEWEST} are needed, of {_CLIPS_EACH} clips each"
        )
        return [not_possible(_CHECK, subject, reason)]
    nearest = _over_folds(baseline, kept, white)
    if nearest is None:
        return [not_possible(_CHECK, subject, "no fold has ten clips on the side that is not tested")]
    records = baseline.system.clips.records
    same = _SAME if white.shape[1] >= _FEW else _SAME_OF_FEW
    pairs, actors = list(_pairs(nearest, records, same)), list(_copied_actors(nearest, records))
    evidence: dict[str, Any] = {
        "clips": len(nearest.tested),
        "most_alike": float(nearest.similarity.max()),
        "partners": float(nearest.partner.mean()),
        "pairs": pairs[:20],
        "actors": actors,
    }
    looked = f"{len(nearest.tested)} test clips, layer {baseline.features.layers[0]}"
    if pairs or actors:
        return [warn(_CHECK, subject, f"{looked}: {_suspicion(pairs, actors, same)}", **evidence)]
    finding = (
        f"{looked}: the most alike clip on the other side of a fold has a similarity of"
        f" {evidence['most_alike']:.2f} (copies: {same:g} and more), and {evidence['partners']:.2f} of them have one"
        f" clip there as a partner (an actor's copies: {_PARTNERS:g} and more); copies that are changed much, or a few"
        " noisy ones, would not be seen"
    )
    return [pass_(_CHECK, subject, finding, **evidence)]


def _suspicion(pairs: Sequence[Mapping[str, Any]], actors: Sequence[Mapping[str, Any]], same: float) -> str:
    parts = []
    if pairs:
        first = "; ".join(f"{pair['tested']} and {pair['other']} ({pair['similarity']:.2f})" for pair in pairs[:_NAMED])
        parts.append(f"{len(pairs)} have a clip on the other side as alike as a copy (from {same:g}): {first}")
    if actors:
        named = ", ".join(f"{actor['actor']} ({actor['partners']:.2f})" for actor in actors[:_NAMED])
        parts.append(
            f"of {len(actors)} actors far more clips have one clip there as a partner than by chance (honest actors: up"
            f" to {_BY_CHANCE:g}): {named}"
        )
    return f"{'; '.join(parts)}: these may be copies of what was trained on; listen to them"


def _whitened(baseline: Baseline, kept: Rows) -> Floats:
    """Give rows of length 1 whose cosine compares clips; shape (n, components)."""
    x = baseline.features.frames[kept, 0].astype(np.float32)  # one frame per clip, its first layer
    for rows in _corpora(baseline, kept):
        x[rows] = standardised(x[rows])
    white = principal_components(x, min(_COMPONENTS, len(x) // _CLIPS_EACH))
    spread = white.std(0)
    # What is left of rank after these is rounding.
    white = white[:, spread > 1e-3 * spread.max(initial=1e-30)]
    white /= np.maximum(white.std(0), 1e-30)
    return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9), np.float32)


def _corpora(baseline: Baseline, kept: Rows) -> list[NDArray[np.bool_]]:
    if not isinstance(baseline.system, CorpusPair):
        return [np.ones(len(kept), bool)]
    trained = kept < len(baseline.system.clip_ids[0])
    return [trained, ~trained]


def _over_folds(baseline: Baseline, kept: Rows, white: Floats) -> _Nearest | None:
    place = np.full(len(baseline.system.clips.records), -1)
    place[kept] = np.arange(len(kept))
    found = []
    for fold in baseline.system.folds:
        tested, others = (
            np.sort(rows[place[rows] >= 0]) for rows in (fold.test, np.concatenate([fold.train, fold.val]))
        )
        if len(tested) and len(others) >= 10:
            found.append(_nearest(white[place[tested]], white[place[others]], tested, others))
    if not found:
        return None
    return _Nearest(*map(np.concatenate, zip(*found, strict=True)))


def _nearest(test: Floats, other: Floats, tested: Rows, others: Rows) -> _Nearest:
    alike = test @ other.T
    nearest = alike.argmax(1)
    mutual = alike.argmax(0)[nearest] == np.arange(len(test))
    top = -np.sort(-np.partition(alike, -10, axis=1)[:, -10:], axis=1)  # (M, 10), the largest first
    partner = mutual & (top[:, 0] - top[:, 1] > top[:, 1] - top[:, 9])
    return _Nearest(tested, others[nearest], top[:, 0], mutual, partner)


def _pairs(nearest: _Nearest, records: Sequence[ClipRecord], same: float) -> Iterator[dict[str, Any]]:
    """Give pairs as alike as copies, the most alike first; equal recordings are named where digests are compared."""
    alike = np.flatnonzero(nearest.mutual & (nearest.similarity >= same))
    for place in alike[np.argsort(-nearest.similarity[alike], kind="stable")].tolist():
        a, b = records[nearest.tested[place]], records[nearest.nearest[place]]
        if a.input_sha256 != b.input_sha256:
            yield {"tested": a.clip_id, "other": b.clip_id, "similarity": round(float(nearest.similarity[place]), 4)}


def _copied_actors(nearest: _Nearest, records: Sequence[ClipRecord]) -> Iterator[dict[str, Any]]:
    actors = np.array([records[row].actor for row in nearest.tested.tolist()], object)
    for actor in sorted(set(actors.tolist())):
        partner = nearest.partner[actors == actor]
        sure = bdtrc(partner.sum() - 1, len(partner), _BY_CHANCE) < _SURE  # of at least so many
        if sure and partner.mean() >= _PARTNERS:
            yield {"actor": actor, "partners": round(float(partner.mean()), 4), "clips": len(partner)}
