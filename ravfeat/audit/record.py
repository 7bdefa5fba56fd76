"""``audit.json``: the lines of an audit, and the digests of the files that were audited."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ravfeat import __version__
from ravfeat.audit.verdicts import BROKEN, Line
from ravfeat.files import replace_file
from ravfeat.runs.audit_file import AUDIT_FORMAT, AUDIT_FORMAT_VERSION, is_hollow
from ravfeat.runs.format import AUDIT_FILE
from ravfeat.short_repr import short_repr

__all__ = ["Audit", "write_audit"]


@short_repr
@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    path : Path
        The run.
    lines : tuple of Line
    quick : bool
        Nothing was trained again.
    files : mapping of str to str
        SHA-256 of the files that were audited; empty for one that is missing.
    """

    path: Path
    lines: tuple[Line, ...]
    quick: bool
    files: Mapping[str, str]

    @property
    def broken(self) -> tuple[Line, ...]:
        """Lines after which a number must not be quoted."""
        return tuple(line for line in self.lines if line.verdict in BROKEN)

    @property
    def summary(self) -> str:
        """What came of it, in words."""
        if self.broken:
            return "BROKEN"
        if is_hollow((line.check, line.verdict) for line in self.lines):
            return "what was tried held; folds and features could not be tried"
        return "nothing broke it"

    @property
    def counts(self) -> dict[str, int]:
        """How many lines have each verdict."""
        return dict(Counter(line.verdict for line in self.lines))


def write_audit(audit: Audit) -> Path:
    """Write ``audit.json`` into the run: whole or not at all."""
    record: dict[str, Any] = {
        "format": AUDIT_FORMAT,
        "format_version": AUDIT_FORMAT_VERSION,
        "ravfeat": __version__,
        "quick": audit.quick,
        "broken": bool(audit.broken),
        "counts": audit.counts,
        "files": dict(audit.files),
        "lines": [asdict(line) for line in audit.lines],
    }
    path = audit.path / AUDIT_FILE
    replace_file(path, (json.dumps(record, indent=1, ensure_ascii=False, default=_plain) + "\n").encode())
    return path


def _plain(value: object) -> object:
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(f"audit.json holds plain values, got {type(value).__name__}")
