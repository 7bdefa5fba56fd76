"""The section on what fusing gains; without a fusion, of systems against each other."""

from collections.abc import Sequence
from dataclasses import replace

from ravfeat.report.detectable import detectable_words
from ravfeat.report.differences.figures import difference_figure
from ravfeat.report.differences.findings import Contrast, ContrastSet, all_pairs, gains, groups
from ravfeat.report.differences.tables import gain_table, pair_table, quality_gain_table
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section, Table

__all__ = ["difference_section"]

_DRAWN = 12  # pairs; of more there is a table only
_WHY = (
    "Differences on the same performances, paired actor by actor: systems stumble over the same people, so a "
    "difference is surer than two intervals side by side suggest. It stands here whatever it is."
)


def difference_section(graded: Sequence[Graded]) -> Section | None:
    """Compare systems of one protocol; None where no two can be set side by side."""
    honest = any(not entry.leaky for entry in graded)
    parts = []
    for number, group in enumerate(groups(graded), start=1):
        folded = honest and group[0].leaky
        pairs = all_pairs(group)
        gain_parts = _gain_parts(group, pairs, number, folded=folded)
        parts += [*gain_parts, *_pair_part(group, pairs, number, noted=bool(gain_parts), folded=folded)]
    if not parts:
        return None
    why = (_WHY, *detectable_words(graded))
    title = "What fusing gains" if any(entry.role == "fused" for entry in graded) else "System against system"
    if sum(bool(part.figures) for part in parts) > 1:
        return Section("differences", title, why, subsections=tuple(parts))
    # One comparison needs no headings of its own.
    return Section(
        "differences",
        title,
        (*why, *(words for part in parts for words in part.paragraphs)),
        tuple(figure for part in parts for figure in part.figures),
        tuple(table for part in parts for table in part.tables),
    )


def _gain_parts(group: Sequence[Graded], pairs: ContrastSet, number: int, *, folded: bool) -> list[Section]:
    """Set every fused system against all others; notes stand in the first of these parts."""
    parts: list[Section] = []
    for count, fused in enumerate((entry for entry in group if entry.role == "fused"), start=1):
        family, name = gains(fused, pairs), f"gain-{number}-{count}"
        title = f"Fused, {fused.conditions}"
        part = Section(name, title, () if parts else family.notes, leaky=fused.leaky, folded=folded)
        if family.contrasts:
            caption = f"Pooled UAR of {fused.system} minus that of each other system, with its paired 95 % interval."
            figure = _figure(family.contrasts, name, caption, gain_table(family.contrasts))
            part = replace(part, figures=(figure,), tables=(quality_gain_table(family.contrasts),))
        parts.append(part)
    return parts


def _pair_part(
    group: Sequence[Graded], family: ContrastSet, number: int, *, noted: bool, folded: bool
) -> list[Section]:
    """Set every two systems against each other; drawn only where nothing was fused."""
    fused = any(entry.role == "fused" for entry in group)
    name = f"pairs-{number}"
    notes = () if noted else family.notes
    part = Section(name, f"Every two systems, {group[0].protocol}", notes, leaky=group[0].leaky, folded=folded)
    if not family.contrasts:
        return [part] if part.paragraphs else []
    if fused or len(family.contrasts) > _DRAWN:
        return [replace(part, tables=(pair_table(family.contrasts, f"All {len(family.contrasts)} pairs"),))]
    caption = "Pooled UAR of the first system minus that of the second, with its paired 95 % interval."
    return [replace(part, figures=(_figure(family.contrasts, name, caption, pair_table(family.contrasts, "")),))]


def _figure(contrasts: Sequence[Contrast], name: str, caption: str, table: Table) -> PageFigure:
    sentences = []
    for contrast in contrasts:
        uar = contrast.differences["uar"]
        sentences.append(
            f"{contrast.a.system} minus {contrast.b.system}, {contrast.a.conditions}: {uar.value:+.3f} "
            f"({uar.ci_low:+.3f} to {uar.ci_high:+.3f})"
        )
    return PageFigure(
        name=name,
        title="Differences in pooled UAR with paired 95 % intervals over actors",
        caption=f"{caption} Dotted: zero.",
        alt=f"Differences in pooled UAR: {'; '.join(sentences)}.",
        canvas=difference_figure(contrasts),
        table=table,
    )
