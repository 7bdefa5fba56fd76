"""What ``ravfeat audit`` left in a run's folder, and whether it still speaks of this run."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ravfeat.errors import PredictionsError
from ravfeat.files import sha256_of

__all__ = ["AUDIT_FILE", "AuditLine", "AuditRecord", "is_hollow", "read_audit"]

AUDIT_FILE = "audit.json"
_FORMAT, _FORMAT_VERSION = "ravfeat-audit", 1

_CORE = ("folds from the shards", "saved heads give the test rows", "trained again")
"""Checks that look at folds and features; without all of them, only the files were held against each other."""


def is_hollow(verdicts: Iterable[tuple[str, str]]) -> bool:
    """Whether none of the checks that look at folds and features was possible.

    Parameters
    ----------
    verdicts : iterable of (check, verdict)
    """
    core = [verdict for check, verdict in verdicts if check in _CORE]
    return bool(core) and set(core) == {"not possible"}


@dataclass(frozen=True)
class AuditLine:
    """One line: what was tried, on what, with which verdict, and what was found."""

    verdict: str
    check: str
    subject: str
    finding: str


@dataclass(frozen=True)
class AuditRecord:
    """An audit.

    Attributes
    ----------
    lines : tuple of AuditLine
    broken : bool
        Something leaks, or is not what it was.
    quick : bool
        Nothing was trained again.
    stale : tuple of str
        Files of the run that are not those that were audited.
    """

    lines: tuple[AuditLine, ...]
    broken: bool
    quick: bool
    stale: tuple[str, ...]

    @property
    def hollow(self) -> bool:
        """Whether neither folds nor features could be tried."""
        return is_hollow((line.check, line.verdict) for line in self.lines)

    @property
    def badge(self) -> str:
        """What stands beside a number."""
        if self.stale:
            return "stale: of other files"
        if self.broken:
            return "BROKEN"
        tried = [line for line in self.lines if line.verdict != "not possible"]
        if self.hollow:
            return f"folds and features not tried; the rest held ({len(tried)} of {len(self.lines)} tried)"
        return f"held ({len(tried)} of {len(self.lines)} tried{', quick' if self.quick else ''})"


def read_audit(folder: Path) -> AuditRecord | None:
    """Read ``audit.json`` of a run; None where it was never audited.

    Raises
    ------
    PredictionsError
        Where the file is none of an audit, or of a newer version.
    """
    path = folder / AUDIT_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if (record["format"], record["format_version"]) != (_FORMAT, _FORMAT_VERSION):
            raise PredictionsError(
                f"{path} has format {record['format']} version {record['format_version']}, this ravfeat reads {_FORMAT}"
                f" version {_FORMAT_VERSION}; audit the run again"
            )
        lines = tuple(
            AuditLine(one["verdict"], one["check"], one["subject"], one["finding"]) for one in record["lines"]
        )
        files = {str(name): str(digest) for name, digest in record["files"].items()}
        broken, quick = bool(record["broken"]), bool(record["quick"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PredictionsError(f"{path} is no audit ({error!r}); audit the run again, or take it away") from error
    return AuditRecord(
        lines, broken, quick, tuple(name for name in sorted(files) if files[name] != _digest(folder / name))
    )


def _digest(path: Path) -> str:
    return sha256_of(path) if path.is_file() else ""
