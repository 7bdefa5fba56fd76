"""Count tries: how many plans were validated and tested on the same clips, and what of their scores was seen.

A plan that was run again counts once and is shown as repeated. LEAKY controls are counted apart, and so is what was
tried on other sets of clips of the same folder, or under other labels: leaving out a single clip makes another set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ravfeat.ledger.line import Line

__all__ = ["Tries", "count_tries"]


@dataclass(frozen=True)
class Tries:
    """What was tried on one set of clips, seen from one plan.

    Attributes
    ----------
    number : int
        Which of the plans it is, by when they were first tried.
    plans : int
        All of them, it included.
    repeats : int
        How often it was run again.
    n_clips : int
        Performances of the set.
    best : tuple of (float, str, str) or None
        The highest validation UAR of all systems, its system and run.
    own_best : float or None
        The highest of this plan.
    tested : tuple of float
        The highest test UAR of every plan whose test scores were seen.
    own_tested : float or None
        That of this plan.
    seen : int
        Test scores that were seen: systems of these plans.
    leaky, elsewhere : int
        Plans with a LEAKY split on these clips, and plans on other clips or under other labels.
    of_leaky : bool
        All this is of plans with a LEAKY split.
    """

    number: int
    plans: int
    repeats: int
    n_clips: int
    best: tuple[float, str, str] | None
    own_best: float | None
    tested: tuple[float, ...]
    own_tested: float | None
    seen: int
    leaky: int
    elsewhere: int
    of_leaky: bool = False

    @property
    def said(self) -> str:
        """What to say beside the plan's number."""
        again = f", made {self.repeats + 1} times" if self.repeats else ""
        leaky = "LEAKY " if self.of_leaky else ""
        best = "no validation score among them"
        if self.best is not None:
            uar, system, run = self.best
            best = f"best validation of them: UAR {uar:.3f} ({system}, {run})"
        words = [
            f"{leaky}run {self.number} of {self.plans} on these {self.n_clips} clips{again}",
            best,
            f"test scores seen: {self._seen}",
        ]
        further = {"with a LEAKY split": self.leaky, "on other clips or labels": self.elsewhere}
        more = [f"{count} more {what}" for what, count in further.items() if count]
        return "; ".join([*words, *more])

    @property
    def _seen(self) -> str:
        if not self.tested:
            return "none"
        low, high = f"{min(self.tested):.3f}", f"{max(self.tested):.3f}"
        spread = f"UAR {high}" if low == high else f"the best of each UAR {low} to {high}"
        runs = f"{len(self.tested)} run{'s' * (len(self.tested) > 1)}"
        return f"{self.seen} ({runs}), {spread}"


def count_tries(lines: Sequence[Line], line: Line) -> Tries:
    """Count what was tried on the clips of a line.

    Parameters
    ----------
    lines : sequence of Line
        By time, each try once; `line` among them.
    line : Line
        Whose plan is looked at. Where its split is LEAKY, the LEAKY plans are counted.
    """
    alike = [other for other in lines if other.leaky == line.leaky]
    same = [other for other in alike if other.clips == line.clips]
    plans = list(dict.fromkeys(other.plan for other in same))
    own = [other for other in same if other.plan == line.plan]
    scored = [(scores.val_uar, scores.system, other.run) for other in same for scores in other.systems]
    known = [(uar, system, run) for uar, system, run in scored if uar is not None]
    by_plan = {plan: _tested([other for other in same if other.plan == plan]) for plan in plans}
    return Tries(
        number=plans.index(line.plan) + 1,
        plans=len(plans),
        # A winner that is revealed was a trial before: that is no repeat.
        repeats=sum(other.is_tested == line.is_tested for other in own) - 1,
        n_clips=line.n_clips,
        best=max(known, key=lambda entry: entry[0], default=None),
        own_best=max((s.val_uar for other in own for s in other.systems if s.val_uar is not None), default=None),
        tested=tuple(max(scores.values()) for scores in by_plan.values() if scores),
        own_tested=max(by_plan[line.plan].values(), default=None),
        seen=sum(map(len, by_plan.values())),
        leaky=0 if line.leaky else len({o.plan for o in lines if o.leaky and o.clips == line.clips}),
        elsewhere=len({other.plan for other in alike if other.clips != line.clips} - set(plans)),
        of_leaky=line.leaky,
    )


def _tested(lines: Sequence[Line]) -> dict[str, float]:
    """Give the last test UAR of every system."""
    scores = {s.system: s.test_uar for line in lines for s in line.systems}
    return {system: uar for system, uar in scores.items() if uar is not None}
