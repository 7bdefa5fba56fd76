"""Lines of an audit: a check, what it was tried on, its verdict and its finding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ravfeat.runs.outcome import BROKEN, LEFT_OUT, AuditLine, Verdict

__all__ = ["BROKEN", "Line", "Verdict", "edited", "info", "leak", "left_out", "not_possible", "pass_", "warn"]


@dataclass(frozen=True)
class Line(AuditLine):
    """A line with its evidence: plain values that JSON can hold."""

    evidence: Mapping[str, Any] = field(default_factory=dict)


def pass_(check: str, subject: str, finding: str, **evidence: Any) -> Line:
    """Make the line of a check that the number passed."""
    return Line(check, subject, "pass", finding, evidence)


def info(check: str, subject: str, finding: str, **evidence: Any) -> Line:
    """Make a line about how to read the number."""
    return Line(check, subject, "info", finding, evidence)


def warn(check: str, subject: str, finding: str, **evidence: Any) -> Line:
    """Make a line that a number must not be quoted without."""
    return Line(check, subject, "warn", finding, evidence)


def leak(check: str, subject: str, finding: str, **evidence: Any) -> Line:
    """Make the line of a leak: training has seen what it must not."""
    return Line(check, subject, "leak", finding, evidence)


def edited(check: str, subject: str, finding: str, **evidence: Any) -> Line:
    """Make the line of a run, or a cache, that is not what it was."""
    return Line(check, subject, "edited", finding, evidence)


def not_possible(check: str, subject: str, reason: object, **evidence: Any) -> Line:
    """Make the line of a check that could not be tried, and the reason."""
    return Line(check, subject, "not possible", str(reason), evidence)


def left_out(check: str, subject: str, not_judged: str) -> Line:
    """Make the line of what ``--quick`` did not try; `not_judged` goes into the summary, without a number."""
    return Line(check, subject, "not possible", f"{LEFT_OUT}{not_judged}")
