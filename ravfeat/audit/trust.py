"""Who made the features that a run reads: a warning where that happened elsewhere, or scores are all there is."""

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, warn
from ravfeat.runs.outcome import MADE_BY
from ravfeat.runs.trust import Trust, trust_of

__all__ = ["check_trust", "trust_line"]


def check_trust(context: RunContext) -> list[Line]:
    """Say the grade of trust; what was not encoded here may have been made with labels of test clips."""
    trust = trust_of(context.recipe)
    doubt = "; whether labels of test clips took part in making them cannot be seen from here"
    return [trust_line(trust, "" if trust.encoded_here else doubt)]


def trust_line(trust: Trust, more: str) -> Line:
    """Make the line of a grade, a warning unless all was encoded here; `more` ends its finding."""
    verdict = info if trust.encoded_here else warn
    return verdict(MADE_BY, "", f"{trust.grade}: {trust.details}{more}", grade=trust.grade)
