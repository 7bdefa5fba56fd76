"""Compose the report from graded systems: which parts there are, in the order of the argument."""

from collections.abc import Sequence

from ravfeat.report.findings.fused import fused_runs
from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.leak import leak_gaps
from ravfeat.report.page.document import Document, Section
from ravfeat.report.page.recipe import readable
from ravfeat.report.sections.audit import audit_section
from ravfeat.report.sections.calibration import calibration_section
from ravfeat.report.sections.differences import difference_section
from ravfeat.report.sections.emotions import emotion_section
from ravfeat.report.sections.folds import fold_section
from ravfeat.report.sections.mixing import mixing_section
from ravfeat.report.sections.results import leak_section, results_section
from ravfeat.report.sections.systems import layer_section, system_section
from ravfeat.report.words.limits import limits
from ravfeat.report.words.summary import summary, warnings
from ravfeat.runs.read import Run

__all__ = ["compose"]


def compose(runs: Sequence[Run], graded: Sequence[Graded], *, front: Section | None = None) -> Document:
    """Put the whole report together, `front` before everything else."""
    gaps, fused = leak_gaps(graded), fused_runs(graded)
    parts = (
        front,
        results_section(graded),
        audit_section(runs),
        difference_section(graded),
        leak_section(gaps),
        fold_section(graded, fused),
        emotion_section(graded),
        layer_section(graded),
        calibration_section(graded),
        mixing_section(fused),
        Section("limits", "What this does not show", points=tuple(limits(graded, fused))),
        system_section(graded),
        _recipes(runs),
    )
    return Document(
        title="Emotion heads on frozen features",
        summary=tuple(summary(graded, gaps, fused)),
        warnings=tuple(warnings(graded)),
        sections=tuple(part for part in parts if part is not None),
    )


def _recipes(runs: Sequence[Run]) -> Section:
    parts = tuple(
        Section(f"run-{number}", run.name, code=readable(run.recipe), leaky=run.predictions.leaky)
        for number, run in enumerate(runs, start=1)
    )
    why = "The recipe of every run; long lists are cut here and whole in its recipe.json."
    return Section("recipes", "How it was made", paragraphs=(why,), subsections=parts)
