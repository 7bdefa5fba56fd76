"""An audit in one word, and what keeps it from a better one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ravfeat.audit.verdicts import Line, info, leak, left_out, not_possible, pass_, warn
from ravfeat.runs.outcome import CORE, EXIT_CODES, MADE_BY, AuditLine, Judged, worst

HELD = [info(MADE_BY, "", "encoded here from recordings: all"), *(pass_(check, "", "as it was") for check in CORE[1:])]


@dataclass(frozen=True)
class Audited(Judged):
    lines: Sequence[AuditLine]
    quick: bool = False


def replaced(line: Line) -> list[Line]:
    return [line if line.check == other.check else other for other in HELD]


def test_all_core_checks_passed_is_held_and_other_checks_may_be_impossible() -> None:
    lines = [*HELD, not_possible("held-out sentence", "", "one sentence"), info("identity probe", "", "0.9")]
    assert (Audited(lines).outcome, Audited(lines).shortfalls) == ("held", ())


@pytest.mark.parametrize(
    ("line", "shortfall"),
    [
        (warn(MADE_BY, "", "imported, made elsewhere: face"), "imported, made elsewhere"),
        (warn("labels are those of the corpus", "", "3 others"), "warned of: labels are those of the corpus"),
        (not_possible("trained again", "", "no code"), "not possible: trained again"),
        (left_out("trained again", "", "the training"), "not judged (--quick): the training"),
    ],
)
def test_anything_less_is_held_as_far_as_could_be_tried_and_says_why(line: Line, shortfall: str) -> None:
    assert Audited(replaced(line)).outcome == "held as far as could be tried"
    assert Audited(replaced(line)).shortfalls == (shortfall,)


def test_a_core_check_that_no_line_is_about_was_not_looked_at() -> None:
    assert Audited(HELD[1:]).shortfalls == ("not looked at: who made the features",)
    assert Audited([]).outcome == "held as far as could be tried"


def test_an_audit_that_was_quick_never_held_even_where_no_line_says_what_was_left_out() -> None:
    assert Audited(HELD, quick=True).outcome == "held as far as could be tried"
    assert Audited(HELD, quick=True).not_judged == ("the training of the heads",)


def test_a_leak_is_broken_whatever_else_there_is_and_decides_among_several() -> None:
    lines = [*HELD, leak("folds", "", "an actor"), warn("labels", "", "others")]
    assert Audited(lines, quick=True).outcome == "broken"
    assert worst(["held", "broken", "held as far as could be tried"]) == "broken"
    assert worst(["held as far as could be tried", "held"]) == "held as far as could be tried"
    assert EXIT_CODES == {"held": 0, "held as far as could be tried": 4, "broken": 1}
