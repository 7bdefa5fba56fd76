"""One row of a reproduced study, as people read it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["StudyLine", "StudyScore", "record", "scored"]

ValueInterval = tuple[float, float, float]
"""Value, and the ends of its 95 % interval over actors."""


@dataclass(frozen=True)
class StudyScore:
    """One measured score, on test clips.

    Attributes
    ----------
    label : str
        What to call it where a line has several.
    wa : tuple of float
        Plain accuracy, mean of folds, with its interval: the published metric.
    wa_sd : float or None
        Over folds; None of a single one.
    uar : tuple of float
        Mean recall, pooled, with its interval.
    protocol, select : str
    seeds, n : int
    leaky : bool
    """

    label: str
    wa: ValueInterval
    wa_sd: float | None
    uar: ValueInterval
    protocol: str
    select: str
    seeds: int
    n: int
    leaky: bool

    @property
    def conditions(self) -> str:
        """What the score depends on."""
        seeds = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        return f"{self.protocol}{' LEAKY' if self.leaky else ''}, {self.select}, {seeds}, n={self.n}"


@dataclass(frozen=True)
class StudyLine:
    """One row.

    Attributes
    ----------
    key, system, published, setup : str
        As published.
    published_value : float or None
        What is drawn beside ours, as a share.
    published_metric : {"wa", "uar"}
    encoder : str
        Whose features ours rests on; empty without a number.
    differs : tuple of str
        From the published set-up.
    missing : str
        Why there is no number.
    stand_in : bool
        Whether another encoder stands in for the published one.
    scores : tuple of StudyScore
    said : tuple of str
        Findings that are no scores.
    """

    key: str
    system: str
    published: str
    setup: str
    published_value: float | None
    published_metric: str
    encoder: str = ""
    differs: tuple[str, ...] = ()
    missing: str = ""
    stand_in: bool = False
    scores: tuple[StudyScore, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Key and system, and whether an encoder stands in."""
        return f"{self.key} {self.system}{' (stand-in)' if self.stand_in else ''}"


def record(line: StudyLine) -> dict[str, Any]:
    """Give a line of ``study.json``."""
    return asdict(line)


def scored(lines: Sequence[StudyLine]) -> list[tuple[StudyLine, StudyScore]]:
    """Give every score with its line."""
    return [(line, score) for line in lines for score in line.scores]
