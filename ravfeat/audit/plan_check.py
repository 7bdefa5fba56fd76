"""Whether the recorded plan is the one that the run was made by: without it, nothing can be made again."""

from ravfeat.audit.context import Opened
from ravfeat.audit.verdicts import Line, edited, not_possible, pass_

__all__ = ["check_plan"]

_CHECK = "plan as recorded"


def check_plan(opened: Opened) -> list[Line]:
    """Say whether the plan could be made ready again, and agrees with the rest of the recipe."""
    if opened.odd:
        return [edited(_CHECK, "", opened.odd)]
    if opened.prepared is None:
        return [not_possible(_CHECK, "", opened.why)]
    prepared = opened.prepared
    return [
        pass_(
            _CHECK,
            "",
            f"made ready again: '{prepared.protocol.name}', select {prepared.select}, {sum(map(len, prepared.heads))}"
            " systems, as the recipe says elsewhere",
        )
    ]
