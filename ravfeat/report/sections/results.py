"""The sections with everybody's numbers: results, folds, the leak gap."""

from collections.abc import Sequence

from ravfeat.report.drawings.overview import headline_figure, leak_figure
from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.leak import LeakGap
from ravfeat.report.page.document import Figure, Section
from ravfeat.report.tables import overview as tables

__all__ = ["leak_section", "legend", "results_section"]


def results_section(graded: Sequence[Graded]) -> Section:
    """Set all systems on one axis, and in tables."""
    figure = Figure(
        name="headline",
        title="Pooled UAR with 95 % intervals over actors",
        caption=f"Pooled UAR (mean recall), test clips, seeds averaged. Line: 95 % interval. {legend(graded)}",
        alt="Pooled UAR with 95 % interval of each system: "
        + "; ".join(
            f"{entry.system}, {entry.conditions}: {record['value']:.3f} ({record['ci_low']:.3f} to "
            f"{record['ci_high']:.3f})"
            for entry, record in ((entry, entry.records["uar", "pooled"]) for entry in graded)
        ),
        canvas=headline_figure(graded),
        table=tables.headline_table(graded),
    )
    further = (*tables.further_tables(graded), tables.seed_table(graded))
    return Section("results", "Results", figures=(figure,), tables=further)


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
    figure = Figure(
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
        table=tables.gap_table(compared),
    )
    return Section("leak-gap", "The leak gap", paragraphs=(why, *problems), figures=(figure,))


def legend(graded: Sequence[Graded]) -> str:
    """Say what the marks of some systems stand for."""
    words = {
        "audio": "Blue circle: audio.",
        "face": "Purple square: face.",
        "other": "Triangle: other stream.",
        "joint": "Cross: one network over several streams, a control.",
        "fused": "Green diamond: fused, paler where by a rule that was not chosen.",
    }
    honest = {entry.system.stream.split("-")[0] for entry in graded if not entry.leaky}
    parts = [words[stream] for stream in words if stream in honest and len(honest) > 1]
    if any(entry.leaky for entry in graded):
        parts.append("Hollow: LEAKY.")
    return " ".join(parts)
