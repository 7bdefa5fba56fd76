"""Names of systems and meanings of marks, as drawings and captions write them."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import mark_of
from ravfeat.report.drawings.rows import RowLabel, clip_text
from ravfeat.report.graded import Graded

__all__ = [
    "axis_words",
    "conditions_of",
    "figure_number",
    "label_of",
    "legend",
    "shared_facts",
    "short_name",
    "system_legend",
]


def short_name(entry: Graded) -> str:
    """Name a system in few words; its features stand below."""
    if entry.role == "single":
        return f"{entry.system.head} · {entry.system.stream}"
    return f"fused · {entry.team}" if entry.role == "fused" else entry.system.stream


def label_of(entry: Graded, number: str, shared: Sequence[str]) -> RowLabel:
    """Label a row with whatever its neighbours do not have as well.

    Parameters
    ----------
    entry : Graded
    number : str
        What the row shows.
    shared : sequence of str
        Names of facts that stand below the axis, see `shared_facts`.
    """
    shown = [*shared, *([] if entry.role == "single" else ["team"])]
    values = [value for name, value in entry.facts.items() if name not in shown]
    # A mixture that was not chosen has the features and heads of the one that was.
    names = {"single": [entry.system.features], "fused": [entry.system.features, entry.system.head], "alternative": []}
    details = " · ".join([*names[entry.role], *values])
    return RowLabel(short_name(entry), number, (details,) if details else (), entry.leaky, entry.role == "alternative")


def conditions_of(graded: Sequence[Graded]) -> str:
    """Say under what conditions some systems were scored: "ravdess6 · select val · 2 systems or 1 seed · n = 1440"."""
    names = dict.fromkeys(name for entry in graded for name in entry.facts)
    values = {name: dict.fromkeys(entry.facts[name] for entry in graded if name in entry.facts) for name in names}
    partly = {name for name in ("features", "task") if not all(name in entry.facts for entry in graded)}
    return " · ".join(f"{'partly ' if name in partly else ''}{' or '.join(facts)}" for name, facts in values.items())


def shared_facts(graded: Sequence[Graded]) -> list[str]:
    """Give the names of those facts that are the same for all systems."""
    first = graded[0].facts
    return [name for name, value in first.items() if all(entry.facts.get(name) == value for entry in graded)]


def axis_words(words: str, graded: Sequence[Graded], shared: Sequence[str]) -> str:
    """Put under an axis what all its rows have in common."""
    common = " · ".join(value for name, value in graded[0].facts.items() if name in shared)
    return f"{words}\n{common}" if common else words


def figure_number(record: Any) -> str:
    """Write a score with its interval."""
    return f"{record['value']:.3f} [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"


def legend(graded: Sequence[Graded]) -> str:
    """Say what the marks of some systems stand for."""
    words = {
        "audio": "Blue circle: audio.",
        "face": "Purple square: face.",
        "other": "Triangle: other stream.",
        "joint": "Cross: one network over several streams, a control.",
        "av": "Green plus: one head over a voice and a face.",
        "fused": "Green diamond: fused, paler where by a rule that was not chosen.",
    }
    honest = {entry.system.stream.split("-")[0] for entry in graded if not entry.leaky}
    parts = [words[stream] for stream in words if stream in honest and len(honest) > 1]
    if any(entry.leaky for entry in graded):
        parts.append("Hollow: LEAKY.")
    return " ".join(parts)


def system_legend(figure: Figure, entries: Sequence[Graded], size: float = 5) -> None:
    """Put a legend of systems above a drawing; `size` is that of its marks."""
    keys = []
    for entry in entries:
        mark = mark_of(entry.system.stream, leaky=entry.leaky)
        face = style.PAPER if mark.hollow else mark.colour
        words = short_name(entry) if entry.members else clip_text(f"{short_name(entry)}, {entry.system.features}", 52)
        keys.append(
            Line2D([], [], color=mark.colour, marker=mark.shape, markerfacecolor=face, markersize=size, label=words)
        )
    figure.legend(
        handles=keys,
        loc="outside upper left",
        frameon=False,
        fontsize=8,
        labelcolor=style.INK,
        borderpad=0,
        handlelength=1.6,
    )
