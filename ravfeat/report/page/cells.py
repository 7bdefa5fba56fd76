"""Cells that tables share. Every row of numbers carries protocol, selection, seeds and n."""

from collections.abc import Mapping
from typing import Any

from ravfeat.calibrate import Temperature
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Column, TableRow
from ravfeat.stats import Difference, GroupDifference

__all__ = [
    "AVERAGING",
    "IDENTITY",
    "NAMES",
    "NONE",
    "identity",
    "interval",
    "p_value",
    "pair_identity",
    "signed",
    "system_name",
    "table_row",
    "temperature_cell",
]

IDENTITY = (
    Column("System"),
    Column("Protocol", short=True),
    Column("Select", short=True),
    Column("Seeds", numeric=True, short=True),
    Column("n", numeric=True, short=True),
)

NAMES = {
    "uar": "UAR",
    "wa": "WA",
    "macro_f1": "macro F1",
    "nll": "NLL (nats)",
    "brier": "Brier",
    "ece": "ECE (15 bins)",
}

AVERAGING = {"pooled": "pooled", "fold_mean": "fold mean"}

NONE = "-"


def identity(entry: Graded) -> tuple[str, ...]:
    """Cells under `IDENTITY`."""
    team = entry.team if entry.members else str(len(entry.probs.seeds))
    return (system_name(entry), entry.protocol, entry.select, team, str(len(entry.probs)))


def pair_identity(a: Graded, b: Graded) -> tuple[str, ...]:
    """Cells under `IDENTITY` without the system: what two of them have, once where it is the same."""
    return tuple(" / ".join(dict.fromkeys(cells)) for cells in zip(identity(a)[1:], identity(b)[1:], strict=True))


def system_name(entry: Graded) -> str:
    """Name a system as tables do."""
    name = f"{entry.system}, run {entry.run.name}" if entry.ambiguous else str(entry.system)
    return f"{name}, synthetic" if entry.synthetic else name


def table_row(entry: Graded, cells: tuple[str, ...]) -> TableRow:
    """Make a row that is set apart as its system is."""
    return TableRow(cells, entry.leaky, quiet=entry.role == "alternative")


def interval(record: Mapping[str, Any]) -> str:
    """Write a record of ``metrics.json``."""
    spread = f" ± {record['sd']:.3f}" if record["averaging"] == "fold_mean" and record["sd"] is not None else ""
    return f"{record['value']:.3f}{spread} [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"


def signed(difference: Difference | GroupDifference) -> str:
    """Write a difference with its interval."""
    return f"{difference.value:+.3f} [{difference.ci_low:+.3f}, {difference.ci_high:+.3f}]"


def p_value(p: float | None) -> str:
    """Write a p-value, where there is one; of 10,000 swaps the smallest is 0.0001."""
    return NONE if p is None else f"{p:.4f}"


def temperature_cell(temperature: Temperature) -> str:
    """Write a temperature, and whether it is as low or as high as it may be."""
    number = f"{temperature.temperature_:.2f}" if temperature.temperature_ < 100 else f"{temperature.temperature_:.0f}"
    return f"{number} ({temperature.at_bound_} bound)" if temperature.at_bound_ else number
