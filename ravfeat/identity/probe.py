"""Probe features for identity: how well a linear classifier names the actor of a clip.

A head that scores well on new clips of known actors may read the expression, or know the actor. The
probe measures the second by itself: from the very statistics that the `logreg` head reads of a clip, a
balanced logistic regression predicts *who* it is. It is tested on an emotion of which it has seen no clip
of anybody, so that it cannot find the take most alike: only what an actor keeps from emotion to
emotion can help. Every emotion is left out once.

Probes of this kind: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier
probes" (arXiv:1610.01644); for who is speaking, Raj et al. 2019, "Probing the information encoded in
x-vectors" (arXiv:1909.06351).

All layers are read, each weighing the same, and C is fixed: the probe describes the features, not what
one head chose of them, and nothing is tuned to make actors easy or hard to tell apart.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job
from ravfeat.heads.logreg import LogregHead
from ravfeat.stats.jackknife import share_interval, standard_error, without_each

__all__ = ["STRENGTH", "IdentityProbe", "probe_identity", "why_not"]

STRENGTH = 10.0
"""C of the probe, within the grid of the `logreg` head."""


@dataclass(frozen=True)
class IdentityProbe:
    """How often a clip's actor is named.

    Attributes
    ----------
    value : float
        UAR over actors: the mean over actors of the share of their clips that is given to them.
    ci_low, ci_high : float
        95 % interval over actors.
    chance : float
        1 / n_actors.
    n, n_actors, n_emotions : int
        Clips tested, actors to choose among, emotions left out in turn.
    left_out : int
        Clips of actors who have one emotion only.
    """

    value: float
    ci_low: float
    ci_high: float
    chance: float
    n: int
    n_actors: int
    n_emotions: int
    left_out: int


def why_not(actors: Sequence[str], emotions: Sequence[str]) -> str:
    """Say why clips cannot be probed; empty where they can.

    Parameters
    ----------
    actors, emotions : sequence of str, one per clip

    Examples
    --------
    >>> why_not(["a", "a", "b"], ["sad", "happy", "sad"])
    'the probe tests actors on an emotion left out of training: it needs 2 actors with 2 emotions each, there is 1 of 2'
    """
    names = _probed(actors, emotions)
    if len(names) > 1:
        return ""
    return (
        "the probe tests actors on an emotion left out of training: it needs 2 actors with 2 emotions each, there is"
        f" {len(names)} of {len(set(actors))}"
    )


def probe_identity(
    features: ClipFeatures, actors: Sequence[str], emotions: Sequence[str], statistics: Sequence[str]
) -> IdentityProbe:
    """Name the actor of every clip from clips of all other emotions.

    Parameters
    ----------
    features : ClipFeatures
        Of N clips.
    actors, emotions : sequence of str, one per clip
    statistics : sequence of str
        What to pool; see `LogregHead`.

    Raises
    ------
    HeadError
        Where `why_not` says so.
    """
    if reason := why_not(actors, emotions):
        raise HeadError(f"the actors cannot be told apart: {reason}")
    names = _probed(actors, emotions)
    number = {name: i for i, name in enumerate(names)}  # the others get -1 and are neither trained on nor tested
    y = np.array([number.get(actor, -1) for actor in actors], np.int64)
    labels = np.asarray(emotions)
    probed = np.flatnonzero(y >= 0)
    held_out = sorted(set(labels[probed].tolist()))
    tests = [probed[labels[probed] == emotion] for emotion in held_out]
    jobs = [Job(np.setdiff1d(probed, test), np.zeros(0, np.int64)) for test in tests]
    head = LogregHead(statistics=cast("Any", tuple(statistics)))  # pooling refuses a name that is none
    choice = {"layers": list(features.layers), "C": STRENGTH}
    models = head.fit(features, y, len(names), jobs, [choice] * len(jobs))
    hit = np.zeros(len(y), bool)
    for model, test in zip(models, tests, strict=True):
        hit[test] = model.logits(features, test).argmax(-1) == y[test]
    recalls = np.array([hit[y == i].mean() for i in range(len(names))])
    low, high = _interval(recalls, len(probed))
    n_left_out = len(y) - len(probed)
    return IdentityProbe(
        float(recalls.mean()), low, high, 1 / len(names), len(probed), len(names), len(held_out), n_left_out
    )


def _probed(actors: Sequence[str], emotions: Sequence[str]) -> list[str]:
    """Actors with clips of two emotions or more, sorted: the others are never both trained on and tested."""
    emotions_of: defaultdict[str, set[str]] = defaultdict(set)
    for actor, emotion in zip(actors, emotions, strict=True):
        emotions_of[actor].add(emotion)
    return sorted(actor for actor, labels in emotions_of.items() if len(labels) > 1)


def _interval(recalls: NDArray[np.float64], n: int) -> tuple[float, float]:
    weights = without_each(len(recalls))
    means = weights @ recalls / weights.sum(1)
    return share_interval(float(means[0]), standard_error(means[1:]), len(recalls), n)
