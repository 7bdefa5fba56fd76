"""The section on groups of clips: how a number holds for men and women, weak and strong emotion, and so on."""

from collections.abc import Sequence

from ravfeat.report.drawings.labels import legend
from ravfeat.report.graded import Graded
from ravfeat.report.groups.figures import groups_figure
from ravfeat.report.groups.findings import RunGroups, run_groups
from ravfeat.report.groups.tables import difference_table, score_table
from ravfeat.report.page.document import PageFigure, Section
from ravfeat.stats import GroupScores

__all__ = ["group_section"]

_WHY = (
    "The best system of each stream and what was fused, by what is known of the test clips. Where actors are in one"
    " group each (gender), the groups are independent; where each is in both (intensity), actors are left out of both"
    " at once. Groups differ in more than their name: actors, recordings, which emotions are played.",
    "ECE grows as clips become fewer, so a smaller group has a larger one for that alone.",
)


def group_section(graded: Sequence[Graded]) -> Section | None:
    """Show the scores of every run by group; None where nothing is known that makes groups."""
    honest = any(not entry.leaky for entry in graded)
    parts = [_part(groups, number, honest=honest) for number, groups in enumerate(run_groups(graded), start=1)]
    if not parts:
        return None
    if len(parts) == 1:  # no heading for the only part
        only = parts[0]
        return Section("groups", "By group", _WHY, only.figures, only.tables, leaky=only.leaky, points=only.points)
    return Section("groups", "By group", _WHY, subsections=tuple(parts))


def _part(groups: RunGroups, number: int, *, honest: bool) -> Section:
    first = groups.entries[0]
    said = "; ".join(
        f"{entry.system}, {column.name}: {', '.join(map(_said, column.groups))}"
        for entry, columns in zip(groups.entries, groups.columns, strict=True)
        for column in columns
    )
    words = "UAR (mean recall of its classes) and ECE of each group, pooled, with 95 % interval over its actors."
    figure = PageFigure(
        name=f"groups-{number}",
        title="UAR and ECE by group",
        caption=f"{words} {legend(groups.entries)}",
        alt=f"UAR by group, {first.conditions}. {said}.",
        canvas=groups_figure(groups),
        table=score_table(groups),
    )
    return Section(
        f"groups-{number}",
        f"Run {first.run.name}",
        figures=(figure,),
        tables=(difference_table(groups),),
        points=tuple(_left_out(groups)),
        leaky=first.leaky,
        folded=first.leaky and honest,
    )


def _said(group: GroupScores) -> str:
    return f"{group.value} {group.scores['uar'].value:.3f}"


def _left_out(groups: RunGroups) -> list[str]:
    """Say which groups are too small to be scored."""
    return [
        f"{column.name} {value}: {n} clips, too few clips or actors to be scored."
        for column in groups.columns[0]
        for value, n in column.small.items()
    ]
