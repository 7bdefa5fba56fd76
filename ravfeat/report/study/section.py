"""The study as the first section of a report."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, span
from ravfeat.report.drawings.rows import RowLabel, clip_text, system_rows
from ravfeat.report.page.document import PageFigure, Section
from ravfeat.report.study.lines import StudyLine, StudyScore, ValueInterval, scored
from ravfeat.report.study.table import ablation_table, study_table

__all__ = ["study_section"]

_WIDEST = 46


def study_section(lines: Sequence[StudyLine], ablations: Sequence[StudyScore]) -> Section:
    """Set what was published beside what came out here: drawn, then in a table; then the ablations."""
    pairs = scored(lines)
    figures = (_figure(pairs, lines),) if pairs else ()
    parts = [] if not ablations else [Section("ablations", "Ablations", tables=(ablation_table(ablations),))]
    why = (
        "Every row of the study that ravfeat reproduces, and of the references to beat. The same metric on both sides: "
        "fold-mean accuracy where nothing else is said."
    )
    table = () if pairs else (study_table(lines),)
    return Section("study", "The study, row by row", (why,), figures, table, subsections=tuple(parts))


def _figure(pairs: Sequence[tuple[StudyLine, StudyScore]], lines: Sequence[StudyLine]) -> PageFigure:
    sentences = [
        f"{_title(line, score)}: published {line.published}, ours {_ours(line, score)[0]:.3f}" for line, score in pairs
    ]
    return PageFigure(
        name="study",
        title="Published beside measured",
        caption=(
            "Filled: ours, with its 95 % interval over actors; hollow: LEAKY. Diamond: published, as a mean of folds. "
            "Where an encoder stands in for the published one, the two are not the same experiment."
        ),
        alt="; ".join(sentences),
        canvas=_canvas(pairs),
        table=study_table(lines),
    )


def _canvas(pairs: Sequence[tuple[StudyLine, StudyScore]]) -> Canvas:
    def draw(axes: Axes, number: int, y: float) -> None:
        line, score = pairs[number]
        value, low, high = _ours(line, score)
        if line.published_value is not None and not score.leaky:
            axes.plot([line.published_value], [y], marker="D", markersize=6, color=style.MUTED, fillstyle="none")
        mark = Mark(style.VERMILION if score.leaky else style.BLUE, hollow=score.leaky)
        span(axes, low, high, y, mark, width=1.6)
        dot(axes, value, y, mark)

    labels = [
        RowLabel(
            clip_text(_title(line, score), _WIDEST),
            f"{_ours(line, score)[0]:.3f}",
            (line.encoder, f"{line.published_metric.upper()} · {score.conditions} · published {line.published}"),
            leaky=score.leaky,
        )
        for line, score in pairs
    ]
    figure = system_rows(labels, draw, xlabel="share of clips (WA, fold mean) or mean recall (UAR, pooled)")
    figure.axes[0].set_xlim(0, 1)
    return figure


def _title(line: StudyLine, score: StudyScore) -> str:
    return f"{line.key} · {score.label or line.system}"


def _ours(line: StudyLine, score: StudyScore) -> ValueInterval:
    return score.wa if line.published_metric == "wa" else score.uar
