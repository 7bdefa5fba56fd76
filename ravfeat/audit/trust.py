"""Who made the features that a run reads: a warning where that happened elsewhere, or scores are all there is."""

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, warn
from ravfeat.runs.outcome import MADE_BY
from ravfeat.runs.trust import trust_of

__all__ = ["check_trust"]


def check_trust(context: RunContext) -> list[Line]:
    """Say the grade of trust; what was not encoded here may have been made with labels of test clips."""
    trust = trust_of(context.recipe)
    finding = f"{trust.grade}: {trust.details}"
    evidence = {"grade": trust.grade}
    if trust.encoded_here:
        return [info(MADE_BY, "", finding, **evidence)]
    doubt = "whether labels of test clips took part in making them cannot be seen from here"
    return [warn(MADE_BY, "", f"{finding}; {doubt}", **evidence)]
