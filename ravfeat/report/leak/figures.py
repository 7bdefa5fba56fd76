"""The drawing of the leak gap."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.labels import short_name
from ravfeat.report.drawings.marks import dot, mark_of
from ravfeat.report.drawings.rows import RowLabel, system_rows
from ravfeat.report.leak.findings import LeakGap

__all__ = ["leak_figure"]


def leak_figure(gaps: Sequence[LeakGap]) -> Figure:
    """Draw, for each pair, the honest and the LEAKY pooled UAR and the stretch between them."""

    def draw(axes: Axes, row: int, y: float) -> None:
        gap, stream = gaps[row].differences[0], gaps[row].honest.system.stream
        axes.plot([gap.value_b, gap.value_a], [y, y], color=style.GRID, linewidth=5, solid_capstyle="butt")
        dot(axes, gap.value_b, y, mark_of(stream, leaky=False), size=7.5)
        dot(axes, gap.value_a, y, mark_of(stream, leaky=True), size=7.5)

    labels = []
    for gap in gaps:
        difference, honest = gap.differences[0], gap.honest
        number = f"{difference.value:+.3f} [{difference.ci_low:+.3f}, {difference.ci_high:+.3f}]"
        synthetic = "synthetic · " if honest.synthetic else ""
        splits = f"{synthetic}{honest.protocol} (filled) to {gap.leaky.protocol} (hollow) · n = {difference.n}"
        labels.append(RowLabel(short_name(honest), number, (honest.system.features, splits), leaky=True))
    return system_rows(labels, draw, xlabel="UAR (mean recall), pooled")
