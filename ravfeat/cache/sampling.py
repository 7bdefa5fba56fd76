"""Choose the shards of a cache that are verified: a random share of them, or those written lately."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ravfeat.errors import UsageError

__all__ = ["ALL", "ShardChoice", "parse_sample", "parse_since"]

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class ShardChoice:
    """Which shards to read.

    Attributes
    ----------
    share : float or None
        Of the shards, above 0 to 1.
    count : int or None
        How many; all where there are fewer.
    seed : int
        Of the draw; it is the same for the same shards.
    since : datetime or None
        Only shards whose files were written then or later.

    Raises
    ------
    UsageError
        For both a share and a count, or one that chooses nothing.
    """

    share: float | None = None
    count: int | None = None
    seed: int = 0
    since: datetime | None = None

    def __post_init__(self) -> None:
        wrong = self.share is not None and not 0 < self.share <= 1
        if wrong or (self.count is not None and self.count < 1) or None not in (self.share, self.count):
            raise UsageError(
                f"a sample of the share {self.share} or of {self.count} shards: expected one of both, a share above 0"
                " to 1 or a number from 1 on"
            )

    def choose(self, shards: Mapping[int, Path]) -> dict[int, Path]:
        """Choose shards, at least one where any was written since then; in their order."""
        begin_s = -float("inf") if self.since is None else self.since.timestamp()
        numbers = [number for number, path in shards.items() if path.stat().st_mtime >= begin_s]
        wanted = len(numbers) if self.share is None else max(1, round(self.share * len(numbers)))
        wanted = min(wanted, len(numbers), len(numbers) if self.count is None else self.count)
        # Python's generator gives the same draw on every machine.
        return {n: shards[n] for n in sorted(random.Random(self.seed).sample(numbers, wanted))}


ALL = ShardChoice()


def parse_sample(text: str) -> tuple[float | None, int | None]:
    """Parse a share such as ``1%`` or a number of shards; the share comes first, one of both is None.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> parse_sample("1%"), parse_sample("20")
    ((0.01, None), (None, 20))
    """
    match = re.fullmatch(r"(\d{1,12})(?:(\.\d+)?\s*(%))?", text.strip(), re.ASCII)
    if match is None or not float(match[1] + (match[2] or "")):
        raise UsageError(
            f"--sample '{text}': expected a share of the shards such as 1%, or a number of them such as 20"
        )
    if not match[3]:
        return None, int(match[1])
    if (share := float(match[1] + (match[2] or "")) / 100) > 1:
        raise UsageError(f"--sample '{text}': expected at most 100%")
    return share, None


def parse_since(text: str, now: datetime) -> datetime:
    """Parse a date, a date and time, or how long ago, such as ``7d`` or ``12h``.

    Parameters
    ----------
    text : str
        Dates and times as ISO 8601 writes them, in the time zone of `now` where they name none.
    now : datetime
        With its time zone.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> from datetime import UTC
    >>> parse_since("7d", datetime(2026, 3, 8, tzinfo=UTC)).date().isoformat()
    '2026-03-01'
    """
    if match := re.fullmatch(r"(\d{1,4})([hdw])", text.strip(), re.ASCII):
        return now - int(match[1]) * _UNITS[match[2]]
    try:
        since = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"--since '{text}': expected a date (2026-03-01), a time (2026-03-01T12:00), or how long ago (12h, 7d, 4w)"
        ) from None
    return since if since.tzinfo else since.replace(tzinfo=now.tzinfo)
