"""The section on permutation importance: figures, tables and words."""

from collections.abc import Iterable, Iterator, Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.importance.figures import importance_figure
from ravfeat.report.page.document import Column, PageFigure, Section, Table, TableRow
from ravfeat.runs.importance_file import Fall, GroupImportance, GroupKind, SystemImportance

__all__ = ["importance_section"]

_KINDS: dict[GroupKind, str] = {
    "stream": "streams",
    "cache": "concatenated caches",
    "layer": "layers",
    "statistic": "statistics",
    "feature": "named features",
}
_DRAWN = 30

_WHY = (
    "A group of inputs is shuffled among the test clips of a fold, while the trained heads and all other inputs stay "
    "as they are: what the score loses, the heads took from that group. Lines are 95 % intervals over actors.",
    "Groups that know the same stand in for each other: neighbouring layers may each cost next to nothing though all "
    "of them together cost everything, and what is shuffled meets inputs that it never came with. So this says what "
    "these heads lean on, not what the features hold.",
)


def importance_section(graded: Sequence[Graded]) -> Section | None:
    """Show what shuffling cost every system; None where it was measured for none."""
    figures = tuple(figure for entry in graded for figure in _figures_of(entry))
    return Section("importance", "What the heads decide by", _WHY, figures) if figures else None


def _figures_of(entry: Graded) -> Iterator[PageFigure]:
    importance = entry.run.importance
    measured = next((each for each in importance.systems if each.system == entry.system), None) if importance else None
    if importance is None or measured is None:
        return
    kinds: Iterable[GroupKind] = _KINDS if len(measured.groups) > 1 else ("all",)
    for kind in kinds:
        if groups := measured.of_kind(kind):
            yield _figure(entry, measured, kind, groups, importance.repeats)


def _figure(
    entry: Graded, measured: SystemImportance, kind: GroupKind, groups: Sequence[GroupImportance], repeats: int
) -> PageFigure:
    # Layers in their order, which is one; the others by what they cost.
    ordered = list(groups) if kind == "layer" else sorted(groups, key=lambda group: -group.uar_fall.value)
    kept = {group.name for group in sorted(groups, key=lambda group: -group.uar_fall.value)[:_DRAWN]}
    drawn = [group for group in ordered if group.name in kept]
    words = _KINDS.get(kind, "all inputs")
    more = f" The {_DRAWN} of {len(groups)} that cost most." if len(groups) > _DRAWN else ""
    whole = measured.of_kind("all")[0].uar_fall
    top = max(groups, key=lambda group: group.uar_fall.value)
    return PageFigure(
        name=f"{entry.slug}-importance-{kind}",
        title=f"What shuffling {words} costs",
        caption=f"{entry.system}: fall of pooled UAR, from {measured.uar:.3f}, with {words} shuffled, mean of "
        f"{repeats} times. All inputs shuffled: {_cell(whole)}.{more} {entry.conditions}",
        alt=f"Fall of UAR of {entry.system} with {words} shuffled, {entry.conditions}: most for {top.name}, "
        f"{_cell(top.uar_fall)}; all inputs {_cell(whole)}.",
        canvas=importance_figure(entry, drawn),
        table=_table(entry, words, ordered),
    )


def _table(entry: Graded, words: str, groups: Sequence[GroupImportance]) -> Table:
    columns: tuple[Column, ...] = (
        Column("Shuffled"),
        Column("Fall of UAR", numeric=True),
        Column("Rise of NLL", numeric=True),
    )
    alone = any(group.uar_alone for group in groups)
    columns += (Column("UAR with all others shuffled", numeric=True),) if alone else ()
    cells = [(group.name, _cell(group.uar_fall), _cell(group.nll_rise), _cell(group.uar_alone)) for group in groups]
    rows = tuple(TableRow(each if alone else each[:-1], entry.leaky) for each in cells)
    return Table(f"What shuffling {words} costs · {entry.conditions}", columns, rows, folded="Table")


def _cell(fall: Fall | None) -> str:
    return "" if fall is None else f"{fall.value:+.3f} [{fall.ci_low:+.3f}, {fall.ci_high:+.3f}]"
