"""Progress of a long loop: a bar on a terminal, one line a minute in a log."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm import tqdm

from ravfeat.errors import UsageError
from ravfeat.escape import printable

__all__ = ["Progress", "ProgressBar", "shown_progress", "track_progress"]

_log = logging.getLogger(__name__)

_EVERY = "RAVFEAT_PROGRESS_S"
_EVERY_S = 60.0
_FIRST_S = 10.0  # soon, so that whoever starts a job sees that it runs
_LEAST_S = 1.0  # a shorter loop is over before anybody reads of it

Item = TypeVar("Item")

Progress = bool | Callable[[float, float | None, str], object] | None
"""How `shown_progress` shows the loops: ``callback(done, total, what)``, a bar always (True), or none (False)."""

# Not a global: threads may work for callers of their own.
_shown: ContextVar[Progress] = ContextVar("progress", default=None)


class ProgressBar:
    """Progress of one loop that calls `update` in a ``with`` block; see `track_progress` for a loop over items.

    On a terminal this is the bar of tqdm. Besides, lines go to the log ``ravfeat.progress``: the first after ten
    seconds, then one a minute. All loops of a process share that minute, and a line names the loops around its own.
    The environment variable ``RAVFEAT_PROGRESS_S`` sets other seconds than 60; 0 turns the lines off. A loop that
    wrote a line writes a last one when it ends.

    Parameters
    ----------
    total : int, optional
        Number of steps, where it is known.
    desc : str
        What the loop does, such as ``encoding``.
    unit : str
        Name of one step, singular.
    initial : int, default 0
        Steps done before.
    note : callable, optional
        Returns what a line says beyond counts, rate and time left; called only when a line is written.
    **bar
        Options of the bar: ``leave``, ``delay``, ``smoothing``, ``unit_scale``.

    Raises
    ------
    UsageError
        Where ``RAVFEAT_PROGRESS_S`` is no number of seconds.
    """

    def __init__(
        self,
        *,
        total: int | None = None,
        desc: str = "",
        unit: str = "step",
        initial: int = 0,
        note: Callable[[], str] | None = None,
        **bar: Any,
    ) -> None:
        # disable=None: no bar where stderr is no terminal. A disabled bar counts nothing, so the count is kept here.
        shown = _shown.get()
        self._heard = shown if callable(shown) else None
        disable = None if shown is None else shown is not True
        self._bar: tqdm[Any] = tqdm(total=total, desc=desc, unit=unit, initial=initial, disable=disable, **bar)
        self._desc, self._unit, self._note = desc, unit, note
        self._scaled = bool(bar.get("unit_scale"))
        self._total = total
        self._n = self._initial = initial
        self._started = monotonic()
        self._text = ""
        self._wrote_line = False

    def __enter__(self) -> Self:
        _lines.open(self)
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        _lines.close(self)
        self._bar.close()
        if self._wrote_line:
            _log.info("%s", self.line(ended=True))

    def update(self, n: int = 1) -> None:
        """Count ``n`` more steps; 0 only writes a line where one is due."""
        self._bar.update(n)
        self._n += n
        if self._heard is not None:
            self._heard(self._n, self._total, self._desc)
        if monotonic() - self._started > _LEAST_S and _lines.due():
            self._wrote_line = True
            _log.info("%s", " · ".join([*_lines.around(self), self.line()]))

    @property
    def count(self) -> int:
        """Steps done."""
        return self._n

    def go_back(self, count: int, total: int) -> None:
        """Set how many steps count as done and how many there are, where some must be done again."""
        self._bar.total = self._total = total
        self._bar.update(count - self._n)
        self._n = count

    def describe(self, desc: str) -> None:
        """Change what the loop does."""
        self._desc = printable(desc)
        self._bar.set_description(self._desc)

    def annotate(self, text: str) -> None:
        """Set the text at the end of the bar and of a line, shown with the next update."""
        self._text = printable(text)
        self._bar.set_postfix_str(self._text, refresh=False)

    def place(self) -> str:
        """Return how far the loop is, such as ``encoding: 80 of 720``."""
        count = " of ".join(self._number(number) for number in (self._n, self._total) if number is not None)
        return f"{self._desc}: {count}" if self._desc else f"{count} {self._unit}"

    def line(self, *, ended: bool = False) -> str:
        """Return the line for the log: counts, rate, time left or taken, note."""
        elapsed_s = monotonic() - self._started
        steps = self._n - self._initial
        parts = [self.place()]
        if self._total and not ended:
            parts[0] += f" ({100 * self._n // self._total} %)"
        if steps:
            parts.append(self._rate(steps, elapsed_s))
        if ended:
            parts.append(f"ended after {tqdm.format_interval(elapsed_s)}")
        elif steps and self._total:
            # From the mean rate since the start: the latest rate jumps with every batch.
            parts.append(f"{tqdm.format_interval((self._total - self._n) * elapsed_s / steps)} left")
        return ", ".join(filter(None, [*parts, self._text, self._note() if self._note else ""]))

    def _rate(self, steps: int, elapsed_s: float) -> str:
        if steps < elapsed_s:
            return f"{elapsed_s / steps:.3g} s/{self._unit}"
        return f"{self._number(float(f'{steps / max(elapsed_s, 1e-9):.3g}'))} {self._unit}/s"

    def _number(self, number: float) -> str:
        return tqdm.format_sizeof(number) if self._scaled else f"{number:g}"


@contextmanager
def shown_progress(progress: Progress) -> Iterator[None]:
    """Show the loops that begin in the block in another way than by a bar on a terminal.

    Parameters
    ----------
    progress : bool or callable, optional
        True: a bar also where stderr is no terminal, as in a notebook; False: none; a callable is called as
        ``progress(done, total, what)`` after every step, with None for a total that is not known. None changes nothing.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise UsageError(f"progress={progress!r:.60}: expected True, False, or a function of done, total and what")
    token = _shown.set(_shown.get() if progress is None else progress)
    try:
        yield
    finally:
        _shown.reset(token)


def track_progress(items: Iterable[Item], *, total: int | None = None, **options: Any) -> Iterator[Item]:
    """Yield every item and count it when the next one is asked for.

    Parameters
    ----------
    items : iterable
    total : int, optional
        Number of items; default their length, where they have one.
    **options
        Of `ProgressBar`.
    """
    with ProgressBar(total=len(items) if total is None and isinstance(items, Sized) else total, **options) as bar:
        for item in items:
            yield item
            bar.update()


class _Lines:
    """When the next line is due, and which loops run."""

    def __init__(self) -> None:
        self._loops: list[ProgressBar] = []
        self._next_s: float | None = None

    def open(self, loop: ProgressBar) -> None:
        self._loops.append(loop)
        if self._next_s is None:
            self._next_s = monotonic() + min(_FIRST_S, _every_s())

    def close(self, loop: ProgressBar) -> None:
        self._loops.remove(loop)

    def around(self, loop: ProgressBar) -> list[str]:
        if loop not in self._loops:
            return []
        return [outer.place() for outer in self._loops[: self._loops.index(loop)]]

    def due(self) -> bool:
        """Whether a line is due now; if so, the next one is due after the full interval."""
        now = monotonic()
        if self._next_s is None or now < self._next_s:
            return False
        self._next_s = now + _every_s()
        return self._next_s > now and _log.isEnabledFor(logging.INFO)


_lines = _Lines()


def _every_s() -> float:
    text = os.environ.get(_EVERY, "")
    try:
        every_s = float(text or _EVERY_S)
    except ValueError:
        every_s = -1.0
    if not 0 <= every_s < float("inf"):
        raise UsageError(f"{_EVERY} is '{text}'; expected the seconds between two progress lines, or 0 for none")
    return every_s
