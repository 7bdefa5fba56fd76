"""``audit.json``: the lines of an audit, and the digests of the files that were audited."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ravfeat import __version__
from ravfeat.audit.verdicts import BROKEN, Line
from ravfeat.files import replace_file
from ravfeat.runs.audit_file import AUDIT_FORMAT, AUDIT_FORMAT_VERSION
from ravfeat.runs.format import AUDIT_FILE
from ravfeat.runs.outcome import CORE, Judged
from ravfeat.runs.trust import Trust
from ravfeat.short_repr import short_repr

__all__ = ["Audit", "write_audit"]


@short_repr
@dataclass(frozen=True)
class Audit(Judged):
    """What an audit found.

    Attributes
    ----------
    path : Path or str
        The run; or what was published, by its address or folder.
    lines : tuple of Line
    quick : bool
        Nothing was trained again.
    files : mapping of str to str
        SHA-256 of the files that were audited; empty for one that is missing.
    trust : Trust
        Who made what the run reads.
    core : tuple of str
        Checks without any of which not all was looked at; see `ravfeat.runs.outcome.CORE`.
    task : tuple of str
        Classes, chance, and what makes the task another one than the corpus's; empty for what is published.
    """

    path: Path | str
    lines: tuple[Line, ...]
    quick: bool
    files: Mapping[str, str]
    trust: Trust = field(default_factory=lambda: Trust(()))
    core: tuple[str, ...] = CORE
    task: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[Line, ...]:
        """Lines after which a number must not be quoted."""
        return tuple(line for line in self.lines if line.verdict in BROKEN)

    @property
    def summary(self) -> str:
        """What came of it, in words."""
        if self.broken:
            return f"BROKEN by {', '.join(dict.fromkeys(line.check for line in self.broken))}"
        if self.shortfalls:
            return f"{self.outcome}: {'; '.join(self.shortfalls)}"
        return f"held: {self.counts.get('pass', 0)} checks found no leak and no edit"

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
        "outcome": audit.outcome,
        "shortfalls": list(audit.shortfalls),
        "not_judged": list(audit.not_judged),
        "trust": {"grade": audit.trust.grade, "sources": [asdict(source) for source in audit.trust.sources]},
        "counts": audit.counts,
        "files": dict(audit.files),
        "lines": [asdict(line) for line in audit.lines],
    }
    path = Path(audit.path) / AUDIT_FILE
    replace_file(path, (json.dumps(record, indent=1, ensure_ascii=False, default=_plain) + "\n").encode())
    return path


def _plain(value: object) -> object:
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(f"audit.json holds plain values, got {type(value).__name__}")
