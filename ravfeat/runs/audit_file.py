"""Read ``audit.json``: what ``ravfeat audit`` found, and whether it is about these very files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ravfeat.documents import read_json
from ravfeat.errors import PredictionsError
from ravfeat.files import sha256_of
from ravfeat.runs.format import (
    AUDIT_FILE,
    CALIBRATION_FILE,
    FUSION_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
)
from ravfeat.runs.outcome import BROKEN, AuditLine, Judged, Outcome

__all__ = [
    "AUDIT_FORMAT",
    "AUDIT_FORMAT_VERSION",
    "AuditRecord",
    "audited_digests",
    "read_audit",
    "stale_files",
]

AUDIT_FORMAT, AUDIT_FORMAT_VERSION = "ravfeat-audit", 1

_AUDITED = (PREDICTIONS_FILE, RECIPE_FILE, METRICS_FILE, CALIBRATION_FILE, FUSION_FILE)
"""Files that a run's numbers rest on."""

_REMEDY = "audit the run again, or take it away"


@dataclass(frozen=True)
class _AuditFormat:
    format: str
    format_version: int


@dataclass(frozen=True)
class _AuditFile:
    """``audit.json``, as far as it is read again."""

    quick: bool
    broken: bool
    files: Mapping[str, str]
    lines: tuple[AuditLine, ...]


@dataclass(frozen=True)
class AuditRecord(Judged):
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
    def outcome(self) -> Outcome:
        """What came of it; of files that are not these where it is `stale`."""
        return "broken" if self.broken else super().outcome

    @property
    def badge(self) -> str:
        """What stands beside a number."""
        if self.stale:
            return "stale: of other files"
        if self.broken:
            return "BROKEN"
        tried = [line for line in self.lines if line.verdict != "not possible"]
        return f"{self.outcome} ({len(tried)} of {len(self.lines)} tried{', quick' if self.quick else ''})"


def read_audit(run: Path) -> AuditRecord | None:
    """Read ``audit.json`` of a run; None where it was never audited.

    Raises
    ------
    PredictionsError
        Where the file is damaged, or of a newer version.
    """
    path = run / AUDIT_FILE
    if not path.is_file():
        return None
    head = read_json(path, _AuditFormat, PredictionsError, _REMEDY)  # a newer version may have other keys
    if (head.format, head.format_version) != (AUDIT_FORMAT, AUDIT_FORMAT_VERSION):
        raise PredictionsError(
            f"{path} has format {head.format} version {head.format_version}, this ravfeat reads {AUDIT_FORMAT}"
            f" version {AUDIT_FORMAT_VERSION}; audit the run again"
        )
    record = read_json(path, _AuditFile, PredictionsError, _REMEDY)
    # Not the names in the file: a list without a file, or of other files, must not hide that a file was changed.
    stale = stale_files(run, record.files)
    broken = record.broken or any(line.verdict in BROKEN for line in record.lines)
    return AuditRecord(record.lines, broken, record.quick, stale)


def stale_files(run: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Name the files that a run's numbers rest on and that have other digests by now."""
    return tuple(name for name, digest in sorted(audited_digests(run).items()) if files.get(name) != digest)


def audited_digests(run: Path) -> dict[str, str]:
    """Give the SHA-256 of the files that a run's numbers rest on; empty for one that is missing."""
    return {name: sha256_of(run / name) if (run / name).is_file() else "" for name in _AUDITED}
