"""What the page tells of a head, whatever the recording: how often it is right, and what its layers weigh."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ravfeat.predictions import System
from ravfeat.short_repr import short_repr

__all__ = ["HeadFacts", "LearnedLayers", "Score"]


@dataclass(frozen=True)
class Score:
    """A score on people that the heads never met, pooled over folds.

    Attributes
    ----------
    system : System
    metric : {"uar", "wa"}
        Mean recall, plain accuracy.
    value : float
    ci_low, ci_high : float or None
        95 % interval over people; None where the run had too few for one.
    n : int
        Tested clips.
    """

    system: System
    metric: Literal["uar", "wa"]
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int


@dataclass(frozen=True)
class LearnedLayers:
    """What a system's heads weigh the layers of their encoder with, on average; weights sum to 1."""

    system: System
    weights: Mapping[int, float]


@short_repr
@dataclass(frozen=True)
class HeadFacts:
    """What is known of a head.

    Attributes
    ----------
    name, corpus, protocol : str
    actors : int
        People in its corpus.
    synthetic, leaky, refitted : bool
        Whether the corpus was generated; whether heads were tested on people that they knew; whether the heads that
        answer learned from everybody, so that nobody is left to measure them on.
    scores : tuple of Score
        Empty for heads that were published before ``head.toml`` had them.
    layers : tuple of LearnedLayers
        Of systems that weigh layers.
    """

    name: str
    corpus: str
    protocol: str
    actors: int
    synthetic: bool = False
    leaky: bool = False
    refitted: bool = False
    scores: tuple[Score, ...] = ()
    layers: tuple[LearnedLayers, ...] = ()
