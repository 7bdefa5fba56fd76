"""Tables of calibration."""

from collections.abc import Sequence
from itertools import zip_longest

from ravfeat.report.calibration.findings import Bins, reliability
from ravfeat.report.graded import Graded
from ravfeat.report.page.cells import IDENTITY, NONE, identity, table_row, temperature_cell
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["reliability_table", "temperature_table"]


def temperature_table(graded: Sequence[Graded]) -> Table:
    """ECE and NLL before and after, and the temperatures of every fold."""
    columns = (
        *IDENTITY,
        Column("ECE, pooled", numeric=True),
        Column("ECE debiased", numeric=True),
        Column("NLL, pooled", numeric=True),
        Column("Temperatures by fold"),
    )
    rows = []
    for entry in graded:
        moved = [_moved(entry, metric) for metric in ("ece", "ece_debiased", "nll")]
        temperatures = ", ".join(temperature_cell(fold.temperature) for fold in entry.calibration.folds)
        rows.append(table_row(entry, (*identity(entry), *moved, temperatures)))
    caption = (
        "Before → after. Temperatures in the order of folds: what the logits of a fold's test rows are divided by, "
        "above 1 where the system was surer than it was right. A bound: nothing in the rows said how sure to be. ECE "
        "debiased is ECE less what chance adds to it in a sample of this size (Kumar, Liang and Ma 2019)."
    )
    return Table(caption, columns, tuple(rows), cards=True)


def reliability_table(entry: Graded) -> Table:
    """Confidence, accuracy and clips of every bin, before and after."""
    titles = ("n", "Confidence, said", "Accuracy, said", "Confidence, calibrated", "Accuracy, calibrated")
    sides = [_cells(reliability(entry.probs.y, probs)) for probs in (entry.probs.uncalibrated, entry.probs.probs)]
    rows = []
    for number, (uncalibrated, calibrated) in enumerate(zip_longest(*sides, fillvalue=(NONE,) * 3), start=1):
        n = " / ".join(dict.fromkeys((uncalibrated[0], calibrated[0])))
        rows.append(TableRow((str(number), n, *uncalibrated[1:], *calibrated[1:]), entry.leaky))
    columns = (Column("Bin", numeric=True), *(Column(title, numeric=True) for title in titles))
    caption = f"Test clips in bins of equal mass, before and after calibration · {entry.conditions}"
    return Table(caption, columns, tuple(rows), folded="Table")


def _cells(bins: Bins) -> list[tuple[str, str, str]]:
    values = zip(bins.n, bins.confidence, bins.accuracy, strict=True)
    return [(str(n), f"{confidence:.3f}", f"{accuracy:.3f}") for n, confidence, accuracy in values]


def _moved(entry: Graded, metric: str) -> str:
    before, after = (entry.records[name, "pooled"]["value"] for name in (f"{metric}_uncalibrated", metric))
    return f"{before:.3f} → {after:.3f}"
