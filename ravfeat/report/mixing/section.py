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
    honest = any(not one.fused.leaky for one in fused)
    parts = [_part(one, number, folded=honest and one.fused.leaky) for number, one in enumerate(fused, start=1)]
    if len(parts) == 1:  # no heading for the only part
        return Section("mixing", "The mixing weight", parts[0].paragraphs, parts[0].figures)
    return Section("mixing", "The mixing weight", subsections=tuple(parts))


def _part(one: FusedRun, number: int, *, folded: bool) -> Section:
    surface = surface_of(one)
    return Section(
        f"mixing-{number}",
        f"Run {one.run.name}",
        paragraphs=(_sides(one, surface), *mixing_words(one, surface, agreement_of(one))),
        figures=(_share(one, surface, number), _weight(one, surface, number)),
        leaky=one.fused.leaky,
        folded=folded,
    )


def _sides(one: FusedRun, surface: Surface) -> str:
    first, second = surface.sides.names
    within = ""
    if len(one.members) > 2:
        within = " Within a side, systems keep the proportions that the fold chose."
    return (
        f"Weights between {first} and {second}, scored on the {one.rows} that they were chosen on: what the fit saw, "
        f"not a result.{within} {one.fused.conditions}"
    )


def _share(one: FusedRun, surface: Surface, number: int) -> PageFigure:
    first = surface.sides.names[0]
    chosen = ", ".join(f"{share:.2f}" for share in surface.shares)
    best = surface.linear_nll.argmin()
    shares = surface.curves[0].shares
    return PageFigure(
        name=f"shares-{number}",
        title="Linear rule: UAR and NLL by the share of weight",
        caption="Linear rule. Thin: folds; thick: their mean; diamonds: the share each fold chose; triangles: where "
        f"its plain NLL is lowest. {one.rows.capitalize()}. {one.fused.conditions}",
        alt=f"UAR and NLL on {one.rows} by the share of weight on {first}, linear rule, {one.fused.system}, "
        f"{one.fused.conditions}. Chosen shares by fold: {chosen}. The mean UAR is highest, {surface.uar.max():.3f}, "
        f"at {shares[surface.uar.argmax()]:.2f}; the mean NLL is lowest, {surface.linear_nll[best]:.3f}, at "
        f"{shares[best]:.2f}.",
        canvas=share_figure(one, surface),
        table=share_table(one, surface),
    )


def _weight(one: FusedRun, surface: Surface, number: int) -> PageFigure:
    first, second = surface.sides.names
    chosen = "; ".join(f"{ours:.2f} and {theirs:.2f}" for ours, theirs in surface.weights)
    lowest, spread = surface.nll.min(), np.ptp(surface.nll)
    lines = f"Lines: mean NLL of folds above its lowest, {lowest:.3f} nats"
    if spread < LEVELS[0]:
        lines = f"No lines: mean NLL of folds is {lowest:.3f} nats, and nowhere {LEVELS[0]:g} above"
    return PageFigure(
        name=f"weights-{number}",
        title="Log-linear rule: NLL by the weights of both sides",
        caption=f"Log-linear rule. {lines}; diamonds: the weights each fold chose; cross: both weights 1. "
        f"{one.rows.capitalize()}. {one.fused.conditions}",
        alt=f"Map of the mean NLL on {one.rows} by the weights of {first} and {second}, log-linear rule, "
        f"{one.fused.system}, {one.fused.conditions}: lowest {lowest:.3f}. Chosen weights by fold: {chosen}.",
        canvas=weight_figure(one, surface),
        table=weight_table(one, surface),
    )
