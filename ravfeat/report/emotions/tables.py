"""Tables of recall by emotion."""

from collections.abc import Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.page.cells import IDENTITY, NONE, identity, table_row
from ravfeat.report.page.document import Column, Table

__all__ = ["best_recall_table", "recall_table"]


_MANY = 8  # rows after which a table is folded


def recall_table(graded: Sequence[Graded]) -> Table:
    """Pooled recall by class; classes across, systems down."""
    labels = list(dict.fromkeys(recall.label for entry in graded for recall in entry.recalls))
    columns = (*IDENTITY, *(Column(label, numeric=True, short=True) for label in labels))
    rows = []
    for entry in graded:
        values = {recall.label: f"{recall.value:.3f}" for recall in entry.recalls}
        rows.append(table_row(entry, (*identity(entry), *(values.get(label, NONE) for label in labels))))
    return Table(
        "Pooled recall of each emotion, seeds averaged; their mean is the pooled UAR.",
        columns,
        tuple(rows),
        folded="All systems" if len(rows) > _MANY else "",
        cards=True,
    )


def best_recall_table(entries: Sequence[Graded]) -> Table:
    """Recall of some systems with intervals; emotions across."""
    labels = [recall.label for recall in entries[0].recalls]
    rows = []
    for entry in entries:
        recalls = {r.label: f"{r.value:.3f} [{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in entry.recalls}
        rows.append(table_row(entry, (*identity(entry), *(recalls.get(label, NONE) for label in labels))))
    columns = (*IDENTITY, *(Column(label, numeric=True) for label in labels))
    caption = "Pooled recall of each emotion, with its 95 % interval over actors."
    return Table(caption, columns, tuple(rows), folded="Table", cards=True)
