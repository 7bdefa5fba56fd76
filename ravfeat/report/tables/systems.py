"""Tables of one system, and of a few by emotion."""

from collections.abc import Sequence

from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.layers import LayerProfile
from ravfeat.report.page.document import Column, Row, Table
from ravfeat.report.tables.cells import IDENTITY, NONE, identity, table_row

__all__ = ["cast_table", "confusion_table", "layer_table", "recall_detail_table"]


def recall_detail_table(entry: Graded) -> Table:
    """Recall of one system with intervals."""
    columns = (Column("Emotion"), *(Column(title, numeric=True) for title in ("Recall", "95 % interval", "n")))
    rows = tuple(
        Row((r.label, f"{r.value:.3f}", f"[{r.ci_low:.3f}, {r.ci_high:.3f}]", str(r.n)), entry.leaky)
        for r in entry.recalls
    )
    return Table(f"Pooled recall · {entry.conditions}", columns, rows, folded="Table")


def cast_table(entries: Sequence[Graded]) -> Table:
    """Recall of some systems with intervals; emotions across."""
    labels = [recall.label for recall in entries[0].recalls]
    rows = []
    for entry in entries:
        found = {r.label: f"{r.value:.3f} [{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in entry.recalls}
        rows.append(table_row(entry, (*identity(entry), *(found.get(label, NONE) for label in labels))))
    columns = (*IDENTITY, *(Column(label, numeric=True) for label in labels))
    caption = "Pooled recall of each emotion, with its 95 % interval over actors."
    return Table(caption, columns, tuple(rows), folded="Table", cards=True)


def confusion_table(entry: Graded) -> Table:
    """Clip counts by true (down) and predicted (across) class."""
    classes = entry.probs.classes
    columns = (Column("True \\ predicted"), *(Column(label, numeric=True) for label in classes))
    rows = tuple(
        Row((label, *(str(count) for count in counts)), entry.leaky)
        for label, counts in zip(classes, entry.confusion, strict=True)
    )
    return Table(f"Clips by true and predicted emotion · {entry.conditions}", columns, rows, folded="Table")


def layer_table(entry: Graded, profile: LayerProfile) -> Table:
    """Mean, smallest and largest weight of each layer."""
    columns = (Column("Layer", numeric=True), *(Column(title, numeric=True) for title in ("Mean", "Lowest", "Highest")))
    rows = tuple(
        Row((str(layer), f"{mean:.3f}", f"{low:.3f}", f"{high:.3f}"), entry.leaky)
        for layer, mean, low, high in zip(profile.layers, profile.mean, profile.low, profile.high, strict=True)
    )
    return Table(f"Layer weights over {profile.n_models} models · {entry.conditions}", columns, rows, folded="Table")
