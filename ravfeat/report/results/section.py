"""The section with every system's scores."""

from collections.abc import Sequence

from ravfeat.report.detectable import detectable_words
from ravfeat.report.drawings.labels import legend
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section
from ravfeat.report.results.figures import headline_figure
from ravfeat.report.results.tables import further_tables, headline_table, seed_table

__all__ = ["results_section"]


def results_section(graded: Sequence[Graded]) -> Section:
    """Set all systems on one axis, and in tables."""
    figure = PageFigure(
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
        table=headline_table(graded),
    )
    further = (*further_tables(graded), seed_table(graded))
    return Section("results", "Results", tuple(detectable_words(graded)), figures=(figure,), tables=further)
