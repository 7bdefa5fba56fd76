"""Scores by group: how far the number is that of men and that of women, and so on for every column of few values."""

from collections.abc import Mapping, Sequence

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, info, not_possible
from ravfeat.calibrate import calibrate
from ravfeat.corpora.groups import named_groups
from ravfeat.experiment.fit import tested_groups
from ravfeat.predictions import Predictions, System
from ravfeat.runs.groups_file import read_groups
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats import GroupDifference, GroupedColumn, compare_groups

__all__ = ["check_groups"]

_CHECK = "by group"


def check_groups(context: RunContext) -> list[Line]:
    """Score what was fused, or every system where nothing was, by every column that the shards tell.

    A large gap is information, no broken number: groups differ in their actors, and in which emotions they play.
    """
    predictions = context.predictions
    if predictions is None:
        return [not_possible(_CHECK, "", context.refusal)]
    written = read_groups(context.path)
    told = {} if context.prepared is None else tested_groups(context.prepared.systems)
    if fault := _contradiction(written, told):
        return [edited(_CHECK, "groups.json", fault)]
    systems = predictions.systems()
    graded = [name for name in systems if name.stream == FUSED_STREAMS[0]] or systems
    lines = [line for name in graded for line in _of_system(predictions, name, told or written)]
    return lines or [
        not_possible(_CHECK, "", "nothing is known of the clips that makes groups of enough clips and actors")
    ]


def _contradiction(written: Mapping[str, Mapping[str, str]], told: Mapping[str, Mapping[str, str]]) -> str:
    """Say what a run says otherwise than the shards; columns that came later, and clips it did not test, are fine."""
    for name in sorted(written.keys() & told.keys()):
        odd = [clip for clip, value in written[name].items() if told[name].get(clip, value) != value]
        if odd:
            clip = min(odd)
            return (
                f"{name} of {len(odd)} clips is another one than the shards say, such as {written[name][clip]!a} of"
                f" {clip}, which has {told[name][clip]!a}"
            )
    return ""


def _of_system(predictions: Predictions, system: System, known: Mapping[str, Mapping[str, str]]) -> list[Line]:
    probs = calibrate(predictions, system).test
    columns = compare_groups(probs, known or named_groups(probs.clip_ids.tolist()))
    return [_line(system, column) for column in columns]


def _line(system: System, column: GroupedColumn) -> Line:
    groups = ", ".join(
        f"{group.value} {group.scores['uar'].value:.3f} ({group.n} clips, {group.n_actors} actors"
        f"{_without(group.lacking)})"
        for group in column.groups
    )
    widest = max(column.of("uar"), key=lambda difference: abs(difference.value), default=None)
    ece = ", ".join(
        f"{group.value} {group.scores['ece'].value:.3f} ({group.scores['ece_debiased'].value:.3f} debiased)"
        for group in column.groups
    )
    evidence = {
        "groups": [
            {"value": group.value, "n": group.n, "actors": group.n_actors, "lacking": list(group.lacking)}
            | {name: vars(score) for name, score in group.scores.items()}
            for group in column.groups
        ],
        "differences": [vars(difference) for difference in column.differences],
    }
    gap = _gap(widest, column) if widest else "its groups share too few classes, or clips and actors of them"
    subject = f"{column.name} · {system.stream} / {system.features} / {system.head}"
    return info(_CHECK, subject, f"UAR {groups}: {gap}; ECE {ece}", **evidence)


def _gap(widest: GroupDifference, column: GroupedColumn) -> str:
    shared = f"{_without(widest.left_out)}, which one side lacks" if widest.left_out else ""
    actors = "the same actors" if widest.paired else "different actors"
    which = "" if len(column.groups) == 2 else ", the widest of its groups"
    return (
        f"{widest.a} less {widest.b or 'all others'} {widest.value:+.3f} [{widest.ci_low:+.3f}, {widest.ci_high:+.3f}],"
        f" p = {widest.p_holm:.4f} (Holm over {widest.family} comparisons of all columns), {actors}{which}{shared}"
    )


def _without(labels: Sequence[str]) -> str:
    return f", without {', '.join(labels)}" if labels else ""
