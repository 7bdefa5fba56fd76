"""Read ``importance.json``: what shuffling groups of inputs costs a run's heads on held-out actors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ravfeat.documents import Count, Text, read_json
from ravfeat.errors import PredictionsError
from ravfeat.files import sha256_of
from ravfeat.predictions import System
from ravfeat.runs.format import IMPORTANCE_FILE, PREDICTIONS_FILE

__all__ = ["Fall", "GroupImportance", "GroupKind", "Importance", "SystemImportance", "read_importance"]

GroupKind = Literal["all", "stream", "cache", "layer", "statistic", "feature"]


@dataclass(frozen=True)
class Fall:
    """A mean over repeats, its 95 % interval over actors, and the spread of repeats."""

    value: float
    ci_low: float
    ci_high: float
    sd: float | None


@dataclass(frozen=True)
class GroupImportance:
    """One group of inputs.

    Attributes
    ----------
    kind, name : str
    uar_fall, nll_rise : Fall
        Pooled UAR with all inputs less that with the group shuffled; calibrated NLL (nats) the other way round.
    uar_alone : Fall or None
        Pooled UAR with everything but the group shuffled; None where that was not measured.
    """

    kind: GroupKind
    name: Text
    uar_fall: Fall
    nll_rise: Fall
    uar_alone: Fall | None = None


@dataclass(frozen=True)
class SystemImportance:
    """One system: pooled UAR and calibrated NLL of its `n` test clips as they are, and its groups."""

    stream: str
    features: str
    head: str
    uar: float
    nll: float
    n: Count
    groups: tuple[GroupImportance, ...]

    @property
    def system(self) -> System:
        """The system."""
        return System(self.stream, self.features, self.head)

    def of_kind(self, kind: GroupKind) -> Sequence[GroupImportance]:
        """Give the groups of one kind."""
        return [group for group in self.groups if group.kind == kind]


@dataclass(frozen=True)
class Importance:
    """``importance.json``.

    Attributes
    ----------
    repeats : int
    predictions_sha256 : str
        Digest of ``predictions.parquet`` that it is about.
    systems : tuple of SystemImportance
    """

    repeats: Count
    predictions_sha256: str
    systems: tuple[SystemImportance, ...]
    format: Literal["ravfeat-importance"] = "ravfeat-importance"
    format_version: Literal[1] = 1


def read_importance(run: Path) -> Importance | None:
    """Read ``importance.json`` of a run; None where it was never measured.

    Raises
    ------
    PredictionsError
        Where it is damaged, of a newer version, or of other predictions than those beside it.
    """
    path = run / IMPORTANCE_FILE
    if not path.is_file():
        return None
    remedy = "call 'ravfeat importance' again, or take it away"
    importance = read_json(path, Importance, PredictionsError, remedy)
    if importance.predictions_sha256 != sha256_of(run / PREDICTIONS_FILE):
        raise PredictionsError(f"{path} is about other predictions than those beside it; {remedy}")
    return importance
