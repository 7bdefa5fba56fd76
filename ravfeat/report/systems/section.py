"""The section with recall and confusion of each system."""

from collections.abc import Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section
from ravfeat.report.systems.figures import confusion_figure, recall_figure
from ravfeat.report.systems.tables import confusion_table, recall_detail_table

__all__ = ["confusion_of", "recall_of", "system_section"]

_MANY = 6  # systems; more are opened on demand


def system_section(graded: Sequence[Graded]) -> Section:
    """Show recall and confusion of every system."""
    honest = any(not entry.leaky for entry in graded)
    many = len(graded) > _MANY
    subsections = tuple(
        Section(
            f"system-{entry.slug}",
            str(entry.system),
            paragraphs=(f"{entry.conditions} · run {entry.run.name}",),
            figures=(recall_of(entry), confusion_of(entry)),
            leaky=entry.leaky,
            folded=many or entry.role == "alternative" or (honest and entry.leaky),
        )
        for entry in graded
    )
    return Section("systems", "System by system", subsections=subsections)


def recall_of(entry: Graded) -> PageFigure:
    """Recall of every emotion."""
    return PageFigure(
        name=f"{entry.slug}-recall",
        title="Recall of each emotion",
        caption=f"Recall of each emotion, with 95 % interval over actors. {entry.conditions}",
        alt=f"Recall of {entry.system}, {entry.conditions}: "
        + ", ".join(f"{recall.label} {recall.value:.2f}" for recall in entry.recalls),
        canvas=recall_figure(entry),
        table=recall_detail_table(entry),
    )


def confusion_of(entry: Graded, name: str = "", *, titled: bool = False) -> PageFigure:
    """Confusion matrix; `titled` where its surroundings do not say whose it is."""
    start = f"{entry.system}: percent" if titled else "Percent"
    return PageFigure(
        name=name or f"{entry.slug}-confusion",
        title="Confusion matrix",
        caption=f"{start} of the true emotion (rows) called each emotion (columns). {entry.conditions}",
        alt=f"Confusion matrix of {entry.system}, {entry.conditions}. {_largest_confusion(entry)}",
        canvas=confusion_figure(entry),
        table=confusion_table(entry),
    )


def _largest_confusion(entry: Graded) -> str:
    totals = entry.confusion.sum(1, keepdims=True).clip(1)
    share = entry.confusion / totals
    share[range(len(share)), range(len(share))] = 0
    i, j = divmod(int(share.argmax()), len(share))
    classes = entry.probs.classes
    return f"The largest confusion: {100 * share[i, j]:.0f} % of {classes[i]} called {classes[j]}."
