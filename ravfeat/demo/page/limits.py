"""How far an answer may be trusted: how often heads like these are right on people they never met, and other limits."""

from collections.abc import Iterator, Sequence

from ravfeat.demo.page.answers import stream_names
from ravfeat.demo.page.facts import HeadFacts, Score
from ravfeat.escape import printable
from ravfeat.schema import is_unchecked

__all__ = ["limits"]


def limits(facts: HeadFacts, streams: Sequence[str] | None = None) -> list[str]:
    """Say it in sentences, plain text.

    Parameters
    ----------
    facts : HeadFacts
    streams : sequence of str, optional
        Whose scores are told; all by default.
    """
    return list(_limits(facts, streams))


def _limits(facts: HeadFacts, streams: Sequence[str] | None) -> Iterator[str]:
    if facts.synthetic:
        yield "This head learned from a generated corpus: its answers say nothing about people."
    if facts.leaky:
        yield "LEAKY: this head was tested on people it was trained on. Its scores say how well it knows these people."
    unchecked = is_unchecked(facts.protocol)
    if unchecked:
        yield "UNCHECKED: of some of its clips nobody says who speaks; it may have been tested on people it knew."
    scores = [score for score in facts.scores if streams is None or score.system.stream in streams]
    people = "people it knows" if facts.leaky else "its test clips" if unchecked else "people they never met"
    if told := [score for score in scores if score.metric == "wa"]:
        rights = "; ".join(
            f"{name} {_of_100(score)}"
            for name, score in zip(stream_names([score.system for score in told]), told, strict=True)
        )
        yield (
            f"How often heads like these are right on {people}: {rights} (of {told[0].n} clips of"
            f" {facts.actors} people in {printable(facts.corpus)}, protocol {printable(facts.protocol)}; in brackets"
            " the 95 % interval)."
        )
    else:
        yield "How often this head is right is not recorded in it; its card.md may say it."
    if facts.refitted and not facts.leaky:
        yield "The heads that answer here learned from all these people; nobody is left to measure them on."
    yield (
        "They know this corpus's way of speaking, its language and its microphones. Acted emotion is not felt emotion:"
        " an answer does not say what a person feels, and is no ground for a decision about anybody."
    )


def _of_100(score: Score) -> str:
    interval = (
        "" if score.ci_low is None or score.ci_high is None else f" [{_whole(score.ci_low)}, {_whole(score.ci_high)}]"
    )
    return f"{_whole(score.value)} of 100{interval}"


def _whole(value: float) -> str:
    return f"{100 * value:.0f}"
