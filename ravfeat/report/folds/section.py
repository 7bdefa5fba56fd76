"""The section on folds, and on what each fold's fusion learned."""

from collections.abc import Sequence

from ravfeat.report.drawings.labels import legend
from ravfeat.report.folds.effect import effect_table, effect_words
from ravfeat.report.folds.figures import fold_gain_figure, folds_figure
from ravfeat.report.folds.tables import choice_table, fold_table, weight_tables
from ravfeat.report.fused import FusedRun
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["fold_section"]


def fold_section(graded: Sequence[Graded], fused: Sequence[FusedRun]) -> Section:
    """Show every fold of every system, then every fold of every fusion."""
    figure = PageFigure(
        name="folds",
        title="UAR of each fold",
        caption=f"UAR (mean recall) of each test fold, seeds averaged. Bar: fold mean; ± sd of folds. {legend(graded)}",
        alt="UAR of each fold: "
        + "; ".join(
            f"{entry.system}, {entry.conditions}: {', '.join(format(fold['uar'], '.3f') for fold in entry.folds)}"
            for entry in graded
        ),
        canvas=folds_figure(graded),
        table=fold_table(graded),
    )
    honest = any(not entry.leaky for entry in graded)
    numbered = enumerate(fused, start=1)
    parts = tuple(
        _fusion_part(fused_run, number, honest=honest, alone=len(fused) == 1) for number, fused_run in numbered
    )
    words, tables = effect_words(graded), effect_table(graded)
    return Section("folds", "Fold by fold", words, (figure,), tables, subsections=parts)


def _fusion_part(fused_run: FusedRun, number: int, *, honest: bool, alone: bool) -> Section:
    below = int((fused_run.gains < 0).sum())
    words = (
        f"Rule {fused_run.fusion.rule}: {fused_run.choices}. On test rows, the UAR of fused minus that of the single "
        f"system that was best on the fold's {fused_run.rows} is {fused_run.gains.mean():+.3f} in the mean of folds, "
        f"from {fused_run.gains.min():+.3f} to {fused_run.gains.max():+.3f}, and below zero in {below or 'none'} of "
        f"{len(fused_run.gains)}."
    )
    gains = ", ".join(
        f"fold {fold.fold} {gain:+.3f}" for fold, gain in zip(fused_run.fusion.folds, fused_run.gains, strict=True)
    )
    figure = PageFigure(
        name=f"fold-gains-{number}",
        title="Test UAR of fused minus that of the best single system, fold by fold",
        caption=f"Test UAR (mean recall) of fused minus that of the single system that was best on the fold's "
        f"{fused_run.rows}. Bar: mean. {fused_run.fused.conditions}",
        alt=f"Gain of {fused_run.fused.system}, {fused_run.fused.conditions}, over the best single system: {gains}.",
        canvas=fold_gain_figure(fused_run),
        table=choice_table(fused_run),
    )
    return Section(
        f"fusion-{number}",
        "What each fold's fusion learned" if alone else f"What each fold's fusion learned, run {fused_run.run.name}",
        paragraphs=(f"{words} {fused_run.fused.conditions}",),
        figures=(figure,),
        tables=weight_tables(fused_run),
        leaky=fused_run.fused.leaky,
        folded=fused_run.fused.leaky and honest,
    )
