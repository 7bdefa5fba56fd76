"""Counting tries: plans, repeats, trials, LEAKY controls, other sets of clips."""

from dataclasses import replace

from ravfeat.ledger.line import Line, SystemScores
from ravfeat.ledger.tries import count_tries
from tests.ledger.test_line import TRIED


def chain(*tries):
    lines = []
    for number, tried in enumerate(tries, start=1):
        lines.append(Line.of(tried, number, lines[-1].sha256 if lines else "", 0))
    return lines


def scored(plan, val, test, **more):
    return replace(TRIED, plan=plan, run=plan, systems=(SystemScores("s", val, test),), **more)


def test_plans_count_once_and_repeats_are_shown() -> None:
    lines = chain(scored("p", 0.5, 0.4), scored("q", 0.6, 0.3), scored("p", 0.5, 0.4))
    tries = count_tries(lines, lines[2])
    assert (tries.number, tries.plans, tries.repeats, tries.seen) == (1, 2, 1, 2)
    assert tries.said == (
        "run 1 of 2 on these 8 clips, made 2 times; best validation of them: UAR 0.600 (s, q); test scores seen: 2 (2"
        " runs), the best of each UAR 0.300 to 0.400"
    )


def test_a_trial_that_is_revealed_is_one_plan_and_no_repeat() -> None:
    lines = chain(
        scored("p", 0.5, None, kind="sweep trial"),
        scored("q", 0.6, None, kind="sweep trial"),
        scored("q", 0.6, 0.3, kind="sweep reveal"),
    )
    tries = count_tries(lines, lines[2])
    assert (tries.number, tries.plans, tries.repeats, tries.tested) == (2, 2, 0, (0.3,))
    assert count_tries(lines, lines[0]).own_tested is None
    assert count_tries(lines[:2], lines[0]).said.endswith("test scores seen: none")


def test_leaky_controls_and_other_sets_of_clips_are_counted_apart() -> None:
    lines = chain(scored("p", 0.5, 0.4), scored("q", 0.9, 0.9, leaky=True), scored("p", 0.9, 0.9, clips="other"))
    said = count_tries(lines, lines[0]).said
    assert said.startswith(
        "run 1 of 1 on these 8 clips; best validation of them: UAR 0.500 (s, p); test scores seen: 1"
    )
    assert said.endswith("1 more with a LEAKY split")
    more = count_tries([*lines, *chain(scored("r", 0.9, 0.9, clips="other"))], lines[0])
    assert more.said.endswith("1 more with a LEAKY split; 1 more on other clips or labels")
    leaky = count_tries(lines, lines[1])
    assert (leaky.plans, leaky.leaky) == (1, 0)
    assert leaky.said.startswith("LEAKY run 1 of 1 on these ")


def test_without_validation_rows_it_says_so() -> None:
    (line,) = chain(scored("p", None, 0.4))
    assert "no validation score among them; test scores seen: 1 (1 run), UAR 0.400" in count_tries([line], line).said
