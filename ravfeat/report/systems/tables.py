"""Tables of one system: recall of each emotion, confusion counts."""

from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["confusion_table", "recall_detail_table"]


def recall_detail_table(entry: Graded) -> Table:
    """Recall of one system with intervals."""
    columns = (Column("Emotion"), *(Column(title, numeric=True) for title in ("Recall", "95 % interval", "n")))
    rows = tuple(
        TableRow((r.label, f"{r.value:.3f}", f"[{r.ci_low:.3f}, {r.ci_high:.3f}]", str(r.n)), entry.leaky)
        for r in entry.recalls
    )
    return Table(f"Pooled recall · {entry.conditions}", columns, rows, folded="Table")


def confusion_table(entry: Graded) -> Table:
    """Clip counts by true (down) and predicted (across) class."""
    classes = entry.probs.classes
    columns = (Column("True \\ predicted"), *(Column(label, numeric=True) for label in classes))
    rows = tuple(
        TableRow((label, *(str(count) for count in counts)), entry.leaky)
        for label, counts in zip(classes, entry.confusion, strict=True)
    )
    return Table(f"Clips by true and predicted emotion · {entry.conditions}", columns, rows, folded="Table")
