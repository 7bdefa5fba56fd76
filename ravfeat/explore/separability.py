"""How well every layer tells classes apart on people it has not met, and people on emotions it has not heard.

Both are the probe of `ravfeat.identity.probe`: a balanced logistic regression of fixed strength on the pooled features
of one layer. Classes are named on actors that were left out of training, in five groups of whole actors; actors on an
emotion that was left out. Nothing is tuned, so no test row chooses anything; these are no scores of heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.explore.listing import Listing, natural
from ravfeat.explore.pooled import Pooled
from ravfeat.identity.probe import probe_identity, why_not
from ravfeat.progress import track_progress

__all__ = ["MOST_CLIPS", "LayerSeparability", "Separability", "separability"]

MOST_CLIPS, MOST_ACTORS = 800, 24
"""Clips and actors of a large cache that are probed; the training products of all pairs of clips grow as a square."""

_GROUPS = 5


@dataclass(frozen=True)
class LayerSeparability:
    """What one layer tells.

    Attributes
    ----------
    layer : int
    classes, actors : float
        Mean recall of classes on new actors, and of actors on new emotions; NaN where it could not be measured.
    """

    layer: int
    classes: float
    actors: float


@dataclass(frozen=True)
class Separability:
    """What the layers of a cache tell.

    Attributes
    ----------
    layers : tuple of LayerSeparability
    chance_classes, chance_actors : float
    n_clips, n_actors : int
        That were probed.
    why_not : tuple of str
        Why one of the two could not be measured.
    """

    layers: tuple[LayerSeparability, ...]
    chance_classes: float
    chance_actors: float
    n_clips: int
    n_actors: int
    why_not: tuple[str, ...] = ()

    @property
    def best(self) -> LayerSeparability | None:
        """The layer that tells classes best; None where none was measured."""
        measured = [layer for layer in self.layers if layer.classes == layer.classes]
        return max(measured, key=lambda layer: layer.classes, default=None)


def probed_rows(listing: Listing, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose the clips of the actors with most clips, as many of each as there is room for, evenly."""
    by_actor: dict[str, list[int]] = {}
    for row in sorted(rows.tolist(), key=lambda row: (listing.labels[row], row)):
        by_actor.setdefault(listing.actors[row], []).append(row)
    some = sorted(by_actor, key=lambda actor: (-len(by_actor[actor]), natural(actor)))[:MOST_ACTORS]
    each = max(1, MOST_CLIPS // max(1, len(some)))
    # Sorted by label, so that an even part of somebody's clips holds all of their classes.
    kept = [clips[int(place)] for actor in some for clips in (by_actor[actor],)
            for place in np.unique(np.linspace(0, len(clips) - 1, min(each, len(clips))).round())]  # fmt: skip
    return np.array(sorted(kept), np.int64)


def separability(listing: Listing, pooled: Pooled) -> Separability:
    """Probe every layer of some pooled clips; choose them by `probed_rows`.

    Parameters
    ----------
    listing : Listing
    pooled : Pooled
    """
    actors = [listing.actors[row] for row in pooled.rows]
    labels = [listing.labels[row] for row in pooled.rows]
    names = sorted(set(actors), key=natural)
    group = {actor: str(place % _GROUPS) for place, actor in enumerate(names)}
    groups = [group[actor] for actor in actors]
    reasons = []
    if no_classes := why_not(labels, groups):
        reasons.append(f"classes on new actors: {_words(len(set(labels)), 'class', len(names), 'actor')}")
    if no_actors := why_not(actors, labels):
        reasons.append(f"actors on new emotions: {_words(len(names), 'actor', len(set(labels)), 'class')}")
    layers = [] if no_classes and no_actors else list(pooled.layers)
    measured = []
    for layer in track_progress(layers, desc="probing layers", unit="layer", leave=False, delay=1.0):
        classes = np.nan if no_classes else _probe(pooled, layer, labels, groups)
        people = np.nan if no_actors else _probe(pooled, layer, actors, labels)
        measured.append(LayerSeparability(layer, classes, people))
    chance = 1 / len(set(labels)), 1 / len(names)
    return Separability(tuple(measured), chance[0], chance[1], len(labels), len(names), tuple(reasons))


def _probe(pooled: Pooled, layer: int, targets: Sequence[str], left_out: Sequence[str]) -> float:
    return probe_identity(pooled.of_layer(layer), targets, left_out, pooled.statistics).value


def _words(n: int, noun: str, n_other: int, other: str) -> str:
    return f"there are {n} {noun}(s) and {n_other} {other}(s), and each must be met with two others"
