"""Follow a function of the API while it works: what it read, planned and made, as it happens; `Observer`."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ravfeat.audit import Audit
    from ravfeat.extract import ExtractResult
    from ravfeat.extract.plan import ExtractionPlan
    from ravfeat.manifest import Manifest
    from ravfeat.runs.result import Fitted
    from ravfeat.scorefiles import Part

__all__ = ["Observer"]


class Observer:
    """Hears what happens; this one only warns. Inherit from it and override what you want to hear.

    Attributes
    ----------
    command : str or None
        The command line that a run's recipe records; None from Python.
    """

    command: str | None = None

    def warning(self, text: str) -> None:
        """Hear that the result holds, but that something should be changed before the next one."""
        warnings.warn(text, stacklevel=2)

    def corpus(self, manifest: "Manifest") -> None:
        """Hear which clips are to be encoded, before an encoder is loaded."""

    def planned(self, plan: "ExtractionPlan") -> None:
        """Hear the plan of a dry run."""

    def columns(self, cache: Path, names: Sequence[str], n_clips: int) -> None:
        """Hear which further columns of stored clips have new values, and of how many clips."""

    def extracted(self, result: "ExtractResult", name: str, seconds: float) -> None:
        """Hear that a cache is filled, with the name of its encoder."""

    def gathered(self, part: "Part") -> None:
        """Hear that scores were read which are to be fused."""

    def trained(
        self, run: Path, fitted: "Fitted", records: Sequence[Mapping[str, Any]], *, seconds: float, trained_s: float
    ) -> None:
        """Hear that a run is written: the records of its ``metrics.json``, seconds in all and of training."""

    def audited(self, audit: "Audit", path: Path | None, seconds: float) -> None:
        """Hear what an audit found, and where it is written; None for what is published, beside which nothing is."""
