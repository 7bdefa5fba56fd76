"""Compose the report from graded systems: which parts there are, in the order of the argument."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.report.audit import audit_section
from ravfeat.report.calibration.section import calibration_section
from ravfeat.report.clips.section import clips_section
from ravfeat.report.data.of_runs import data_section
from ravfeat.report.differences.section import difference_section
from ravfeat.report.emotions.section import emotion_section
from ravfeat.report.folds.section import fold_section
from ravfeat.report.fused import fused_runs
from ravfeat.report.graded import Graded
from ravfeat.report.groups.section import group_section
from ravfeat.report.importance.section import importance_section
from ravfeat.report.layers.section import layer_section
from ravfeat.report.leak.findings import leak_gaps
from ravfeat.report.leak.section import leak_section
from ravfeat.report.limits.sentences import limits
from ravfeat.report.mixing.section import mixing_section
from ravfeat.report.page.document import Document, Section
from ravfeat.report.recipes import recipes_section
from ravfeat.report.results.section import results_section
from ravfeat.report.stress.section import stress_section
from ravfeat.report.summary import summary, title, warnings
from ravfeat.report.systems.section import system_section
from ravfeat.runs.read import Run

__all__ = ["compose"]


def compose(
    runs: Sequence[Run], graded: Sequence[Graded], *, front: Section | None = None, audio: Path | None = None
) -> Document:
    """Put the whole report together, `front` before everything else, with recordings from the folder `audio`."""
    gaps, fused = leak_gaps(graded), fused_runs(graded)
    parts = (
        front,
        results_section(graded),
        audit_section(runs),
        difference_section(graded),
        leak_section(gaps),
        fold_section(graded, fused),
        emotion_section(graded),
        group_section(graded),
        clips_section(graded, audio),
        layer_section(graded),
        importance_section(graded),
        stress_section(graded),
        calibration_section(graded),
        mixing_section(fused),
        data_section(graded),
        Section("limits", "What this does not show", points=tuple(limits(graded, fused))),
        system_section(graded),
        recipes_section(runs),
    )
    return Document(
        title=title(graded),
        summary=tuple(summary(graded, gaps, fused)),
        warnings=tuple(warnings(graded)),
        sections=tuple(part for part in parts if part is not None),
    )
