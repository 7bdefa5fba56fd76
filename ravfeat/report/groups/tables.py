"""Tables of scores by group: every metric of every group, and every difference with its p-value."""

from collections.abc import Callable, Iterator

from ravfeat.report.graded import Graded
from ravfeat.report.groups.findings import RunGroups
from ravfeat.report.page.cells import NAMES, NONE, p_value, signed, system_name, table_row
from ravfeat.report.page.document import Column, Table, TableRow
from ravfeat.stats import GroupDifference, GroupedColumn, Interval

__all__ = ["difference_table", "score_table"]

_SCORED = (
    Column("System"),
    Column("Column", short=True),
    Column("Group", short=True),
    Column("Actors", numeric=True, short=True),
    Column("n", numeric=True, short=True),
    *(Column(name, numeric=True) for name in NAMES.values()),
    Column("Classes that it lacks"),
)
_FURTHER = ("ece", "nll", "brier", "wa", "macro_f1")
_COMPARED = (
    Column("System"),
    Column("Column", short=True),
    Column("Groups", short=True),
    Column("Actors", short=True),
    Column(NAMES["uar"], numeric=True),
    Column("p (Holm)", numeric=True, short=True),
    *(Column(NAMES[metric], numeric=True) for metric in _FURTHER),
    Column("Classes left out"),
)


def score_table(groups: RunGroups) -> Table:
    """Every metric of every group."""
    caption = (
        "Every metric of every group, pooled over folds, with 95 % interval over the group's actors. UAR is over the"
        " classes that the group has; macro F1 counts one that it lacks as 0 where that was predicted."
        f" {groups.entries[0].conditions}"
    )
    return Table(caption, _SCORED, _rows(groups, _scored), folded="Every group in every metric", cards=True)


def difference_table(groups: RunGroups) -> Table:
    """Every difference, with the p-value of UAR."""
    columns = (column for columns in groups.columns for column in columns)
    families = " or ".join(sorted({str(each.family) for column in columns for each in column.of("uar")}))
    caption = (
        "One group less the other (of three or more: less all others), over clips of the classes that both have, with"
        f" 95 % interval over actors. p-values are of UAR, two-sided, corrected by Holm over the {families}"
        f" comparisons of all columns of a system. {groups.entries[0].conditions}"
    )
    return Table(caption, _COMPARED, _rows(groups, _compared), cards=True)


def _rows(groups: RunGroups, rows_of: Callable[[Graded, GroupedColumn], Iterator[TableRow]]) -> tuple[TableRow, ...]:
    pairs = zip(groups.entries, groups.columns, strict=True)
    return tuple(row for entry, columns in pairs for column in columns for row in rows_of(entry, column))


def _scored(entry: Graded, column: GroupedColumn) -> Iterator[TableRow]:
    for group in column.groups:
        scores = (_interval(group.scores[metric]) for metric in NAMES)
        facts = (system_name(entry), column.name, group.value, str(group.n_actors), str(group.n))
        yield table_row(entry, (*facts, *scores, ", ".join(group.lacking) or NONE))


def _compared(entry: Graded, column: GroupedColumn) -> Iterator[TableRow]:
    by_pair: dict[tuple[str, str], dict[str, GroupDifference]] = {}
    for difference in column.differences:
        by_pair.setdefault((difference.a, difference.b), {})[difference.metric] = difference
    for (a, b), metrics in by_pair.items():
        uar = metrics["uar"]
        facts = (system_name(entry), column.name, f"{a} - {b or 'others'}", "the same" if uar.paired else "different")
        cells = (signed(uar), p_value(uar.p_holm), *(signed(metrics[metric]) for metric in _FURTHER))
        yield table_row(entry, (*facts, *cells, ", ".join(uar.left_out) or NONE))


def _interval(score: Interval) -> str:
    return f"{score.value:.3f} [{score.ci_low:.3f}, {score.ci_high:.3f}]"
