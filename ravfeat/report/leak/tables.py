"""The table of the leak gap."""

from collections.abc import Sequence

from ravfeat.report.leak.findings import GAP_ROWS, LeakGap
from ravfeat.report.page.cells import AVERAGING, IDENTITY, NAMES, pair_identity, signed, system_name
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["gap_table"]


def gap_table(gaps: Sequence[LeakGap]) -> Table:
    """Honest and LEAKY scores side by side, and the gap with its paired interval."""
    columns = (
        IDENTITY[0],
        *IDENTITY[2:],
        Column("Metric", short=True),
        Column("Actors kept apart", numeric=True),
        Column("Clip split, LEAKY", numeric=True),
        Column("Gap", numeric=True),
    )
    rows = []
    for gap in gaps:
        for (metric, averaging), difference in zip(GAP_ROWS, gap.differences, strict=False):
            cells = (
                system_name(gap.honest),
                *pair_identity(gap.honest, gap.leaky)[1:],
                f"{NAMES[metric]}, {AVERAGING[averaging]}",
                f"{gap.honest.protocol}: {difference.value_b:.3f}",
                f"{gap.leaky.protocol}: {difference.value_a:.3f}",
                signed(difference),
            )
            rows.append(TableRow(cells, leaky=True))
    caption = (
        "The same stream, features and head, scored on the same performances; of a fused system, the same members. In "
        "brackets the 95 % interval of the gap over actors, paired: each actor is left out on both sides at once."
    )
    return Table(caption, columns, tuple(rows), cards=True)
