"""Draw a comparison of splits: both scores of every system, the gap, the identity probe."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, mark_of, span
from ravfeat.report.drawings.rows import RowLabel, system_rows
from ravfeat.splits.rows import SplitRow

__all__ = ["split_figure"]

_SCORES, _PROBE = 0.03, -0.11  # heights within a row in inches, between its words and those of the next


def split_figure(
    rows: Sequence[SplitRow], *, protocol: str, synthetic: bool, n_classes: int, clip_protocol: str = "clip6"
) -> Figure:
    """Draw, for each system, both scores with their intervals, the gap between them, and the probe.

    Parameters
    ----------
    rows : sequence of SplitRow
    protocol : str
        Of the actor split.
    synthetic : bool
        Whether the corpus was generated.
    n_classes : int
        Emotions; the dotted line is their chance.
    """

    def draw(axes: Axes, number: int, y: float) -> None:
        row, below = rows[number], y + _PROBE
        y += _SCORES
        axes.plot([row.actor.value, row.clip.value], [y, y], color=style.GRID, linewidth=6, solid_capstyle="butt")
        for score, leaky in ((row.actor, False), (row.clip, True)):
            mark = mark_of(row.system.stream, leaky=leaky)
            span(axes, score.ci_low, score.ci_high, y, mark, width=1.6)
            dot(axes, score.value, y, mark)
        if row.probe is not None:
            span(axes, row.probe.ci_low, row.probe.ci_high, below, Mark(style.MUTED), width=1.6)
            axes.plot([row.probe.value], [below], marker="D", markersize=4.5, color=style.INK)

    figure = system_rows(
        [_label(row, (protocol, clip_protocol), synthetic=synthetic) for row in rows],
        draw,
        xlabel="UAR (mean recall), pooled · dotted: chance\n◆ share of clips whose actor is named",
        line=1 / n_classes,
    )
    figure.axes[0].set_xlim(0, 1)
    return figure


def _label(row: SplitRow, protocols: tuple[str, str], *, synthetic: bool) -> RowLabel:
    gap = row.gap
    splits = f"{protocols[0]} (filled) to {protocols[1]} LEAKY (hollow) · n = {gap.n}"
    return RowLabel(
        f"{row.system.head} · {row.system.stream}",
        f"{gap.value:+.3f} [{gap.ci_low:+.3f}, {gap.ci_high:+.3f}]",
        (row.system.features, f"synthetic · {splits}" if synthetic else splits),
        leaky=True,
    )
