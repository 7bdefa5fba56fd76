"""The section on the leak gap: the same system with actors kept apart, and under a clip split."""

from collections.abc import Sequence

from ravfeat.report.leak.figures import leak_figure
from ravfeat.report.leak.findings import LeakGap
from ravfeat.report.leak.tables import gap_table
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["leak_section"]


def leak_section(gaps: Sequence[LeakGap]) -> Section | None:
    """Set the clip split beside the actor split; None where there is nothing to set side by side."""
    if not gaps:
        return None
    compared = [gap for gap in gaps if gap.differences]
    problems = tuple(
        f"{gap.honest.system}, {gap.honest.protocol} and {gap.leaky.protocol}: {gap.problem}."
        for gap in gaps
        if gap.problem
    )
    why = (
        "One head, one set of features, one set of clips; only the split changes. In the LEAKY clip split the head has "
        "met every test actor while training and can lean on knowing who it is."
    )
    if not compared:
        return Section("leak-gap", "The leak gap", paragraphs=(why, *problems))
    figure = PageFigure(
        name="leak-gap",
        title="Pooled UAR with actors kept apart, and under a LEAKY clip split",
        caption="Filled: actors kept apart. Hollow: LEAKY clip split. Number: the gap, with its paired 95 % interval.",
        alt="Leak gap in pooled UAR: "
        + "; ".join(
            f"{gap.honest.system}: {gap.honest.protocol} {gap.differences[0].value_b:.3f}, {gap.leaky.protocol} "
            f"{gap.differences[0].value_a:.3f}, gap {gap.differences[0].value:+.3f}"
            for gap in compared
        ),
        canvas=leak_figure(compared),
        table=gap_table(compared),
    )
    return Section("leak-gap", "The leak gap", paragraphs=(why, *problems), figures=(figure,))
