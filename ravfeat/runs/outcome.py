"""What an audit came to in one word: held, broken, or held as far as could be tried; and the exit code of that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BROKEN", "CORE", "EXIT_CODES", "LEFT_OUT", "MADE_BY", "AuditLine", "Judged", "Outcome", "Verdict", "worst",
]  # fmt: skip

Verdict = Literal["pass", "info", "warn", "leak", "edited", "not possible"]

BROKEN: tuple[Verdict, ...] = ("leak", "edited")
"""Verdicts after which a number must not be quoted."""

Outcome = Literal["held", "held as far as could be tried", "broken"]

EXIT_CODES: Mapping[Outcome, int] = {"held": 0, "held as far as could be tried": 4, "broken": 1}
"""How ``ravfeat audit`` ends, from the best to the worst."""

MADE_BY = "who made the features"
"""The check that grades trust; see `ravfeat.runs.trust`."""

CORE = (
    MADE_BY,
    "caches unchanged",
    "plan as recorded",
    "folds from the shards",
    "predictions follow the folds",
    "labels are those of the corpus",
    "files belong together",
    "temperatures from val rows",
    "saved heads give the test rows",
    "trained again",
    "labels permuted",
)
"""Checks without any of which an audit has not looked at all that a number rests on: features, folds, rows, labels,
heads and their training. The others measure what a number owes to something, or need what not every corpus has."""

LEFT_OUT = "left out by --quick: "
"""How the finding begins of what ``--quick`` did not try; what was not judged follows."""


@dataclass(frozen=True)
class AuditLine:
    """One line of an audit.

    Attributes
    ----------
    check : str
        What was tried.
    subject : str
        The system, cache or file that it was tried on; empty for the run as a whole.
    verdict : {"pass", "info", "warn", "leak", "edited", "not possible"}
        ``pass`` and ``leak``: what was tried did not break the number, or did. ``edited``: the run or its caches are
        not what they were. ``info`` and ``warn``: how to read the number. ``not possible``: nothing was tried.
    finding : str
        One sentence, with its numbers.
    """

    check: str
    subject: str
    verdict: Verdict
    finding: str


class Judged:
    """An audit, as far as its lines say what came of it.

    Attributes
    ----------
    lines : sequence of AuditLine
    quick : bool
        Whether something was left out on purpose.
    core : sequence of str
        Checks without any of which not all was looked at.
    """

    lines: Sequence[AuditLine]
    quick: bool
    core: Sequence[str] = CORE

    @property
    def outcome(self) -> Outcome:
        """``broken`` with any leak or edit; ``held as far as could be tried`` with any `shortfalls`; else ``held``."""
        if any(line.verdict in BROKEN for line in self.lines):
            return "broken"
        return "held as far as could be tried" if self.shortfalls else "held"

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What keeps the number from being said to have held, leaks and edits aside.

        That is what was warned of, what ``--quick`` left out, and what of `core` could not be tried or was not known
        yet to the version that made the audit.
        """
        verdicts: dict[str, set[Verdict]] = {}
        for line in self.lines:
            verdicts.setdefault(line.check, set()).add(line.verdict)
        made_by = [line for line in self.lines if line.check == MADE_BY and line.verdict == "warn"]
        warned = [name for name, found in verdicts.items() if "warn" in found and name != MADE_BY]
        quickly = {line.check for line in self.lines if line.finding.startswith(LEFT_OUT)}
        untried = [name for name in self.core if "not possible" in verdicts.get(name, ()) and name not in quickly]
        unknown = [name for name in self.core if name not in verdicts]
        return (
            *dict.fromkeys(line.finding.partition(":")[0] for line in made_by),
            *_listed("warned of", warned),
            *_listed("not judged (--quick)", self.not_judged),
            *_listed("not possible", untried),
            *_listed("not looked at", unknown),
        )

    @property
    def not_judged(self) -> tuple[str, ...]:
        """What ``--quick`` left unjudged, each thing once."""
        found = [line.finding.removeprefix(LEFT_OUT) for line in self.lines if line.finding.startswith(LEFT_OUT)]
        return tuple(dict.fromkeys(found)) or (("the training of the heads",) if self.quick else ())


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Give the worst of several: broken before held as far as could be tried before held."""
    order = list(EXIT_CODES)
    return max(outcomes, key=order.index, default="held")


def _listed(what: str, names: Sequence[str]) -> tuple[str, ...]:
    return (f"{what}: {', '.join(names)}",) if names else ()
