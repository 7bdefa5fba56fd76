"""The section on mixing weights: what they were chosen from."""

from collections.abc import Sequence

import numpy as np

from ravfeat.report.fused import FusedRun
from ravfeat.report.mixing.figures import LEVELS, share_figure, weight_figure
from ravfeat.report.mixing.findings import Surface, agreement_of, surface_of
from ravfeat.report.mixing.tables import share_table, weight_table
from ravfeat.report.mixing.words import mixing_words
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["mixing_section"]


def mixing_section(fused: Sequence[FusedRun]) -> Section | None:
    """Show both rules over the whole range of weights; None where nothing was fused."""
    if not fused:
        return None
    honest = any(not fused_run.fused.leaky for fused_run in fused)
    parts = [
        _part(fused_run, number, folded=honest and fused_run.fused.leaky)
        for number, fused_run in enumerate(fused, start=1)
    ]
    if len(parts) == 1:  # no heading for the only part
        return Section("mixing", "The mixing weight", parts[0].paragraphs, parts[0].figures)
    return Section("mixing", "The mixing weight", subsections=tuple(parts))


def _part(fused_run: FusedRun, number: int, *, folded: bool) -> Section:
    surface = surface_of(fused_run)
    return Section(
        f"mixing-{number}",
        f"Run {fused_run.run.name}",
        paragraphs=(_sides(fused_run, surface), *mixing_words(fused_run, surface, agreement_of(fused_run))),
        figures=(_share(fused_run, surface, number), _weight(fused_run, surface, number)),
        leaky=fused_run.fused.leaky,
        folded=folded,
    )


def _sides(fused_run: FusedRun, surface: Surface) -> str:
    first, second = surface.sides.names
    within = ""
    if len(fused_run.members) > 2:
        within = " Within a side, systems keep the proportions that the fold chose."
    return (
        f"Weights between {first} and {second}, scored on the {fused_run.rows} that they were chosen on: what the fit "
        f"saw, not a result.{within} {fused_run.fused.conditions}"
    )


def _share(fused_run: FusedRun, surface: Surface, number: int) -> PageFigure:
    first = surface.sides.names[0]
    chosen = ", ".join(f"{share:.2f}" for share in surface.shares)
    best = surface.linear_nll.argmin()
    shares = surface.curves[0].shares
    return PageFigure(
        name=f"shares-{number}",
        title="Linear rule: UAR and NLL by the share of weight",
        caption="Linear rule. Thin: folds; thick: their mean; diamonds: the share each fold chose; triangles: where "
        f"its plain NLL is lowest. {fused_run.rows.capitalize()}. {fused_run.fused.conditions}",
        alt=f"UAR and NLL on {fused_run.rows} by the share of weight on {first}, linear rule, "
        f"{fused_run.fused.system}, {fused_run.fused.conditions}. Chosen shares by fold: {chosen}. The mean UAR is "
        f"highest, {surface.uar.max():.3f}, at {shares[surface.uar.argmax()]:.2f}; the mean NLL is lowest, "
        f"{surface.linear_nll[best]:.3f}, at {shares[best]:.2f}.",
        canvas=share_figure(fused_run, surface),
        table=share_table(fused_run, surface),
    )


def _weight(fused_run: FusedRun, surface: Surface, number: int) -> PageFigure:
    first, second = surface.sides.names
    chosen = "; ".join(f"{a:.2f} and {b:.2f}" for a, b in surface.weights)
    lowest, spread = surface.nll.min(), np.ptp(surface.nll)
    lines = f"Lines: mean NLL of folds above its lowest, {lowest:.3f} nats"
    if spread < LEVELS[0]:
        lines = f"No lines: mean NLL of folds is {lowest:.3f} nats, and nowhere {LEVELS[0]:g} above"
    return PageFigure(
        name=f"weights-{number}",
        title="Log-linear rule: NLL by the weights of both sides",
        caption=f"Log-linear rule. {lines}; diamonds: the weights each fold chose; cross: both weights 1. "
        f"{fused_run.rows.capitalize()}. {fused_run.fused.conditions}",
        alt=f"Map of the mean NLL on {fused_run.rows} by the weights of {first} and {second}, log-linear rule, "
        f"{fused_run.fused.system}, {fused_run.fused.conditions}: lowest {lowest:.3f}. Chosen weights by fold: "
        f"{chosen}.",
        canvas=weight_figure(fused_run, surface),
        table=weight_table(fused_run, surface),
    )
