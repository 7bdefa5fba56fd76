"""A line of the ledger: what was tried on which clips, and the digest that chains it to the line before."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from ravfeat.documents import Count, Index, Text, parse_json
from ravfeat.errors import CacheError
from ravfeat.files import canonical_json

__all__ = ["Kind", "Line", "SystemScores", "Try", "clips_digest", "parse_line"]

Kind = Literal[
    "fit-heads", "cross-corpus", "fine-tune", "fuse", "sweep trial", "sweep reveal", "compare-splits", "reproduce"
]
"""Which command tried; ``sweep trial`` looked at validation rows alone."""

_TROUBLE = "it was changed, or is of a newer version"


@dataclass(frozen=True)
class SystemScores:
    """UAR of one system.

    Attributes
    ----------
    system : str
    val_uar : float or None
        Mean over folds and seeds of the validation rows; None without such rows, and where weights were learned from
        them.
    test_uar : float or None
        Pooled, as in ``metrics.json``; None where no test row was scored.
    """

    system: Text
    val_uar: float | None = None
    test_uar: float | None = None


@dataclass(frozen=True)
class Try:
    """One try. No path of a machine is in it, only the names of folders.

    Attributes
    ----------
    time : str
        UTC, to the second.
    kind : str
    plan : str
        Digest of what was trained on what and how: contents of caches, heads, settings, protocol, tables.
    clips : str
        Digest of the set of tested clips and their labels, see `clips_digest`; of a trial, of those that would be.
    n_clips : int
        How many these are.
    protocol, select : str
    leaky : bool
    systems : tuple of SystemScores
    run : str
        Name of the run's folder.
    predictions : str
        SHA-256 of its ``predictions.parquet``; empty for a trial.
    ravfeat : str
        Version.
    """

    time: Text
    kind: Kind
    plan: Text
    clips: Text
    n_clips: Count
    protocol: str
    select: str
    leaky: bool
    systems: tuple[SystemScores, ...]
    run: str
    predictions: str
    ravfeat: str


@dataclass(frozen=True)
class Line(Try):
    """A try as it stands in the file.

    Attributes
    ----------
    number : int
        Of the line, from 1.
    previous : str
        ``sha256`` of the line before; empty in the first.
    dropped_bytes : int
        Length of a line before it that a killed process had left unfinished, and that was dropped.
    sha256 : str
        Of the canonical JSON of all else in the line.
    """

    number: Count
    previous: str
    dropped_bytes: Index
    sha256: str
    format_version: Literal[1] = 1

    @classmethod
    def of(cls, tried: Try, number: int, previous: str, dropped_bytes: int) -> "Line":
        """Chain a try to the line before it."""
        fields = {name: getattr(tried, name) for name in Try.__dataclass_fields__}
        line = cls(**fields, number=number, previous=previous, dropped_bytes=dropped_bytes, sha256="")
        return replace(line, sha256=line.digest)

    @property
    def digest(self) -> str:
        """What ``sha256`` must be."""
        fields = {name: value for name, value in asdict(self).items() if name != "sha256"}
        return hashlib.sha256(canonical_json(fields).encode()).hexdigest()

    def encode(self) -> bytes:
        """Give the bytes of the line, with its end."""
        return canonical_json(asdict(self)).encode() + b"\n"

    @property
    def is_tested(self) -> bool:
        """Whether a test score was seen."""
        return any(scores.test_uar is not None for scores in self.systems)


def parse_line(data: bytes, where: str) -> Line:
    """Read a line without its end.

    Raises
    ------
    CacheError
        Where it is none, or its digest is not that of what it says.
    """
    line = parse_json(data, Line, where, CacheError, _TROUBLE)
    if line.sha256 != line.digest:
        raise CacheError(f"{where} is not what it was: its digest is {line.sha256[:12]!a}, its text gives another one")
    return line


def clips_digest(clips: Iterable[tuple[str, str, str]]) -> tuple[str, int]:
    """Give the SHA-256 of a set of clips and their labels, whatever their order, and how many clips there are.

    Recordings of one performance, a voice and a face, count as the same clip: what is digested is how often each
    performance has each label.

    Parameters
    ----------
    clips : iterable of (str, str, str)
        ``clip_id``, ``performance_id`` and label; a clip may come several times.

    Examples
    --------
    >>> voice, face = [("03-a", "a", "sad")], [("02-a", "a", "sad"), ("02-a", "a", "sad")]
    >>> clips_digest(voice) == clips_digest(face)
    True
    """
    pairs = sorted({clip_id: (performance, label) for clip_id, performance, label in clips}.values())
    return hashlib.sha256(canonical_json(pairs).encode()).hexdigest(), len(pairs)
