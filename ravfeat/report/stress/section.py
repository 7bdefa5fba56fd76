"""The section on changed recordings: what was done to them, the figures, the tables, and where streams cross."""

from collections.abc import Iterator, Sequence

from ravfeat.report.drawings.labels import legend
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Column, PageFigure, Section, Table, TableRow
from ravfeat.report.stress.figures import recalls_figure, strengths_figure
from ravfeat.runs.stress_file import Stress, StressScore

__all__ = ["stress_section"]

_WHY = (
    "Test recordings were changed, encoded by the run's own encoders, and scored by each fold's own heads, temperatures"
    " and fusion weights, which learned from clean clips. Lines are 95 % intervals over actors; the clean point is"
    " that of the same clips.",
    "Strengths are ours, and recordings that are changed by a formula are not those of a real room, telephone or "
    "camera. Crossings are of point estimates: where intervals overlap, the order of two systems is open.",
)
_METRICS = {"uar": "UAR", "ece": "ECE"}
_STREAMS = {"audio": "voice", "face": "face"}
_NAMED = 5

Scored = tuple[Graded, Sequence[StressScore]]


def stress_section(graded: Sequence[Graded]) -> Section | None:
    """Show every run that was stressed; None where none was."""
    runs = {id(entry.run): entry.run for entry in graded if entry.run.stress is not None}
    parts = [
        part
        for run in runs.values()
        if run.stress is not None
        for part in _of_run(run.stress, [entry for entry in graded if entry.run is run])
    ]
    if not parts:
        return None
    leaky = any(part.leaky for part in parts)
    if len(parts) == 1:
        (part,) = parts
        return Section("stress", "On changed recordings", (*_WHY, *part.paragraphs), part.figures, points=part.points,
                       leaky=leaky)  # fmt: skip
    return Section("stress", "On changed recordings", _WHY, subsections=tuple(parts), leaky=leaky)


def _of_run(stress: Stress, entries: Sequence[Graded]) -> Iterator[Section]:
    shown = [(entry, stress.of(entry.system)) for entry in entries if entry.role != "alternative"]
    shown = [(entry, scores) for entry, scores in shown if scores]
    if not shown:
        return
    first = shown[0][0]
    facts = [f"{stress.sample[:1].upper()}{stress.sample[1:]}. Self-test: {stress.check}. {_conditions(*shown[0])}"]
    if stress.stale:
        facts.insert(0, f"STALE: {', '.join(stress.stale)} changed since; call 'ravfeat stress' again.")
    facts += [f"Not stressed: {name}: {reason}." for name, reason in stress.left_out.items()]
    facts += _failures(stress)
    figures = [figure for stream in _STREAMS for figure in _of_stream(stress, stream, shown)]
    points = tuple(f"{crossing.words}." for crossing in stress.crossings)
    yield Section(
        f"stress-{first.run.name}", f"Run {first.run.name}", tuple(facts), tuple(figures), points=points,
        leaky=first.leaky,
    )  # fmt: skip


def _failures(stress: Stress) -> list[str]:
    if not (failed := stress.failed):
        return []
    named = "; ".join(f"{clip} ({reason})" for clip, reason in sorted(failed.items())[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return [f"{len(failed)} clips could not be read or encoded and are left out on both sides: {named}{more}."]


def _of_stream(stress: Stress, stream: str, shown: Sequence[Scored]) -> Iterator[PageFigure]:
    """Draw what was done to one stream: UAR and ECE against strength, recall by class of every system that changed."""
    recipes = {each.recipe: None for each in stress.conditions if each.stream == stream}
    of_stream = [(entry, [score for score in scores if score.recipe in recipes]) for entry, scores in shown]
    of_stream = [(entry, scores) for entry, scores in of_stream if scores]
    if not of_stream:
        return
    drawn = _best(of_stream)
    panels = _panels(drawn[0][1])
    name, words = f"{drawn[0][0].slug}-stress-{stream}", f"the {_STREAMS[stream]}"
    for metric, title in _METRICS.items():
        chance = 1 / len(drawn[0][0].probs.classes) if metric == "uar" else None
        caption = (
            f"Pooled {title} against the strength of what was done to {words}."
            f"{' Dotted: chance.' if chance else ''} {legend([entry for entry, _ in drawn])} {_conditions(*drawn[0])}"
        )
        alt = f"{caption} {_ends(drawn, metric)}"
        yield PageFigure(
            f"{name}-{metric}", f"{title} on a changed {_STREAMS[stream]}", caption, alt,
            strengths_figure(drawn, panels, metric, chance), _table(of_stream, f"{title} by condition"),
        )  # fmt: skip
    for entry, scores in drawn:
        # A system that does not read the stream is the same in every row.
        if any(score.difference.value or score.uar.value != score.uar_clean for score in scores):
            yield _recalls(entry, scores, stream, stress)


def _conditions(entry: Graded, scores: Sequence[StressScore]) -> str:
    """Say what a system was trained and tested on, with the clips that were changed in place of all test clips."""
    low, high = min(score.n for score in scores), max(score.n for score in scores)
    n = f"n = {high}" if low == high else f"n = {low} to {high}"
    return " · ".join((entry.facts | {"n": n}).values())


def _best(entries: Sequence[Scored]) -> list[Scored]:
    """Draw the best system of each stream on clean clips; tables have all."""
    streams = dict.fromkeys(entry.system.stream for entry, _ in entries)
    of_streams = ([each for each in entries if each[0].system.stream == stream] for stream in streams)
    return [max(several, key=lambda each: each[1][0].uar_clean) for several in of_streams]


def _panels(scores: Sequence[StressScore]) -> list[list[str]]:
    """Give every recipe a panel of its own, and one to all of those that have one strength only."""
    ladders = dict.fromkeys(score.recipe for score in scores if score.strength is not None)
    single = [score.recipe for score in scores if score.strength is None]
    return [*([recipe] for recipe in ladders), *([single] if single else [])]


def _ends(drawn: Sequence[Scored], metric: str) -> str:
    worst = [(entry, max(scores, key=lambda score: score.uar_clean - score.uar.value)) for entry, scores in drawn]
    return " ".join(
        f"{entry.system}: {getattr(score, f'{metric}_clean'):.3f} clean, {getattr(score, metric).value:.3f} under"
        f" {score.condition}, where UAR is lowest."
        for entry, score in worst
    )


def _recalls(entry: Graded, scores: Sequence[StressScore], stream: str, stress: Stress) -> PageFigure:
    clean = next(score for score in stress.clean if score.system == entry.system)
    rows = [(score.condition, [(each.label, each.value) for each in score.recalls]) for score in (clean, *scores)]
    labels = [label for label, _ in rows[0][1]]
    lowest = min((value, label, name) for name, recalls in rows for label, value in recalls)
    title = f"Recall by class on a changed {_STREAMS[stream]}"
    caption = f"{entry.system}: recall of every class under every condition. {_conditions(entry, scores)}"
    cells = [(name, *(f"{dict(recalls).get(label, float('nan')):.2f}" for label in labels)) for name, recalls in rows]
    columns = (Column("Condition"), *(Column(label, numeric=True) for label in labels))
    table = Table(
        f"{title} · {_conditions(entry, scores)}", columns,
        tuple(TableRow(each, entry.leaky) for each in cells), folded="Table",
    )  # fmt: skip
    return PageFigure(
        f"{entry.slug}-stress-{stream}-recalls", title, caption,
        f"{caption} Lowest: {lowest[1]}, {lowest[0]:.2f}, under {lowest[2]}.", recalls_figure(entry, rows), table,
    )  # fmt: skip


def _table(entries: Sequence[Scored], title: str) -> Table:
    columns = (
        Column("System"), Column("Condition"), Column("UAR", numeric=True), Column("Change of UAR", numeric=True),
        Column("ECE", numeric=True), Column("n", numeric=True),
    )  # fmt: skip
    rows = tuple(
        TableRow(
            (str(entry.system), score.condition, score.uar.text(), score.difference.text("+.3f"), score.ece.text(),
             str(score.n)),
            entry.leaky,
        )
        for entry, scores in entries
        for score in scores
    )  # fmt: skip
    return Table(f"{title} · {_conditions(*entries[0])}", columns, rows, folded="Table")
