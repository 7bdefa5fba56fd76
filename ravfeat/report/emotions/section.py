"""The section on emotions: the best of each stream and what was fused, on one axis per emotion."""

from collections.abc import Sequence

from ravfeat.report.best_systems import BestSystems, best_systems
from ravfeat.report.drawings.labels import conditions_of
from ravfeat.report.emotions.figures import best_recall_figure
from ravfeat.report.emotions.tables import best_recall_table, recall_table
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section
from ravfeat.report.systems.section import confusion_of

__all__ = ["emotion_section"]


def emotion_section(graded: Sequence[Graded]) -> Section:
    """Show recall by emotion: of chosen systems drawn, of all in a table."""
    honest = any(not entry.leaky for entry in graded)
    parts = [_part(best, number, honest=honest) for number, best in enumerate(best_systems(graded), start=1)]
    all_systems = (recall_table(graded),)
    if len(parts) == 1:  # no heading for the only part
        only = parts[0]
        return Section(
            "emotions", "Emotion by emotion", only.paragraphs, only.figures, all_systems, subsections=only.subsections
        )
    return Section("emotions", "Emotion by emotion", tables=all_systems, subsections=tuple(parts))


def _part(best: BestSystems, number: int, *, honest: bool) -> Section:
    first = best.entries[0]
    recalls = "; ".join(
        f"{entry.system}: {', '.join(f'{recall.label} {recall.value:.2f}' for recall in entry.recalls)}"
        for entry in best.entries
    )
    systems = "; ".join(f"{entry.system}, {why}" for entry, why in zip(best.entries, best.why, strict=True))
    conditions = conditions_of(best.entries)
    figure = PageFigure(
        name=f"emotions-{number}",
        title="Recall of each emotion by the best system of each stream and the fused one",
        caption=f"Recall of each emotion, with 95 % interval over actors. {conditions}",
        alt=f"Recall of each emotion, {conditions}. {recalls}.",
        canvas=best_recall_figure(best.entries),
        table=best_recall_table(best.entries),
    )
    matrices = Section(
        f"emotions-{number}-confusion",
        "Which emotion is taken for which",
        figures=tuple(confusion_of(entry, f"emotions-{number}-{entry.slug}", titled=True) for entry in best.entries),
        leaky=first.leaky,
    )
    return Section(
        f"emotions-{number}",
        f"Run {first.run.name}",
        paragraphs=(f"Drawn here: {systems}.",),
        figures=(figure,),
        subsections=(matrices,),
        leaky=first.leaky,
        folded=first.leaky and honest,
    )
