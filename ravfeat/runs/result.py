"""Result of training or fusing, before it is written as a run folder; needs no torch."""

from dataclasses import dataclass, field
from typing import Any

from ravfeat.fusion import Fusion
from ravfeat.heads.base import Model
from ravfeat.predictions import Predictions
from ravfeat.runs.groups_file import Columns
from ravfeat.short_repr import short_repr

__all__ = ["Fitted", "FittedModel"]


@short_repr
@dataclass(frozen=True)
class FittedModel:
    """One trained head and where it comes from.

    Attributes
    ----------
    stream, features, head : str
    seed, fold : int
    model : Model
    """

    stream: str
    features: str
    head: str
    seed: int
    fold: int
    model: Model


@short_repr
@dataclass(frozen=True)
class Fitted:
    """Everything that a plan or a fusion gave.

    Attributes
    ----------
    predictions : Predictions
    models : tuple of FittedModel
    about : dict
        Protocol, folds, caches, what was left out, versions; goes into the run's recipe.
    fusion : Fusion or None
        What mixed the systems to those of the fused streams; None where nothing was fused.
    groups : mapping of str to mapping of str to str
        By column, what each test clip has, such as its actor's gender; see `ravfeat.runs.groups_file`.
    """

    predictions: Predictions
    models: tuple[FittedModel, ...]
    about: dict[str, Any]
    fusion: Fusion | None = None
    groups: Columns = field(default_factory=dict)
