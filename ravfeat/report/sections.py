"""Compose the report from graded systems: which parts there are and what they say.

Offers
------
compose.
"""

from collections.abc import Sequence

from ravfeat.report import tables
from ravfeat.report.document import Document, Figure, Section
from ravfeat.report.graded import Graded
from ravfeat.report.leak import LeakGap, leak_gaps
from ravfeat.report.limits import limits
from ravfeat.report.overview_figures import folds_figure, headline_figure, leak_figure
from ravfeat.report.recipe import readable
from ravfeat.report.runs import Run
from ravfeat.report.summary import summary, warnings
from ravfeat.report.system_figures import confusion_figure, layers_figure, recall_figure

__all__ = ["compose"]


def compose(runs: Sequence[Run], graded: Sequence[Graded]) -> Document:
    """Put the whole report together."""
    gaps = leak_gaps(graded)
    parts = (
        _results(graded),
        _leak(gaps),
        _folds(graded),
        _by_emotion(graded),
        Section("limits", "What this does not show", points=tuple(limits(graded))),
        _systems(graded),
        _recipes(runs),
    )
    return Document(
        title="Emotion heads on frozen features",
        summary=tuple(summary(graded, gaps)),
        warnings=tuple(warnings(graded)),
        sections=tuple(part for part in parts if part is not None),
    )


def _results(graded: Sequence[Graded]) -> Section:
    figure = Figure(
        name="headline",
        title="Pooled UAR with 95 % intervals over actors",
        caption=f"Pooled UAR (mean recall), test clips, seeds averaged. Line: 95 % interval.{_legend(graded)}",
        alt="Pooled UAR with 95 % interval of each system: "
        + "; ".join(
            f"{entry.system}, {entry.conditions}: {record['value']:.3f} ({record['ci_low']:.3f} to "
            f"{record['ci_high']:.3f})"
            for entry, record in ((entry, entry.records["uar", "pooled"]) for entry in graded)
        ),
        canvas=headline_figure(graded),
        table=tables.headline_table(graded),
    )
    return Section(
        "results", "Results", figures=(figure,), tables=(tables.further_table(graded), tables.seed_table(graded))
    )


def _leak(gaps: Sequence[LeakGap]) -> Section | None:
    if not gaps:
        return None
    compared = [gap for gap in gaps if gap.differences]
    problems = tuple(
        f"{gap.honest.system}, {gap.honest.protocol} and {gap.leaky.protocol}: {gap.problem}."
        for gap in gaps
        if gap.problem
    )
    why = (
        "One head, one set of features, one set of clips; only the split changes. In the LEAKY clip split the head has "
        "heard every test actor while training and can lean on knowing who speaks."
    )
    if not compared:
        return Section("leak-gap", "The leak gap", paragraphs=(why, *problems))
    figure = Figure(
        name="leak-gap",
        title="Pooled UAR with actors kept apart, and under a LEAKY clip split",
        caption="Filled: actors kept apart. Hollow: LEAKY clip split. Number: the gap, with its paired 95 % interval.",
        alt="Leak gap in pooled UAR: "
        + "; ".join(
            f"{gap.honest.system}: {gap.honest.protocol} {gap.differences[0].value_b:.3f}, {gap.leaky.protocol} "
            f"{gap.differences[0].value_a:.3f}, gap {gap.differences[0].value:+.3f}"
            for gap in compared
        ),
        canvas=leak_figure(compared),
        table=tables.gap_table(compared),
    )
    return Section("leak-gap", "The leak gap", paragraphs=(why, *problems), figures=(figure,))


def _folds(graded: Sequence[Graded]) -> Section:
    figure = Figure(
        name="folds",
        title="UAR of each fold",
        caption=f"UAR (mean recall) of each test fold, seeds averaged. Bar: fold mean; ± sd of folds.{_legend(graded)}",
        alt="UAR of each fold: "
        + "; ".join(
            f"{entry.system}, {entry.conditions}: {', '.join(format(fold['uar'], '.3f') for fold in entry.folds)}"
            for entry in graded
        ),
        canvas=folds_figure(graded),
        table=tables.fold_table(graded),
    )
    return Section("folds", "Fold by fold", figures=(figure,))


def _by_emotion(graded: Sequence[Graded]) -> Section:
    return Section("emotions", "Emotion by emotion", tables=(tables.recall_table(graded),))


def _systems(graded: Sequence[Graded]) -> Section:
    subsections = tuple(
        Section(
            f"system-{entry.slug}",
            f"{entry.system}",
            paragraphs=(f"{entry.conditions} · run {entry.run.name}",),
            figures=tuple(_system_figures(entry)),
            leaky=entry.leaky,
        )
        for entry in graded
    )
    return Section("systems", "System by system", subsections=subsections)


def _system_figures(entry: Graded) -> list[Figure]:
    who = f"{entry.system}, {entry.conditions}"
    largest = _largest_confusion(entry)
    figures = [
        Figure(
            name=f"{entry.slug}-recall",
            title="Recall of each emotion",
            caption=f"Recall of each emotion, with 95 % interval over actors. {entry.conditions}",
            alt=f"Recall of {who}: " + ", ".join(f"{recall.label} {recall.value:.2f}" for recall in entry.recalls),
            canvas=recall_figure(entry),
            table=tables.recall_detail_table(entry),
        ),
        Figure(
            name=f"{entry.slug}-confusion",
            title="Confusion matrix",
            caption=f"Percent of the true emotion (rows) called each emotion (columns). {entry.conditions}",
            alt=f"Confusion matrix of {who}. {largest}",
            canvas=confusion_figure(entry),
            table=tables.confusion_table(entry),
        ),
    ]
    if entry.layers is not None:
        profile = entry.layers
        top = profile.layers[profile.mean.argmax()]
        figures.append(
            Figure(
                name=f"{entry.slug}-layers",
                title="Learned layer weights",
                caption=f"Learned layer weights: mean and range over {profile.n_models} models (folds and seeds). "
                f"{entry.conditions}",
                alt=f"Layer weights of {who}: layer {top} has the largest mean weight, {profile.mean.max():.3f}; "
                f"equal weights would be {1 / len(profile.layers):.3f}.",
                canvas=layers_figure(entry, profile),
                table=tables.layer_table(entry, profile),
            )
        )
    return figures


def _recipes(runs: Sequence[Run]) -> Section:
    parts = tuple(
        Section(
            f"run-{number}",
            run.name,
            code=readable(run.recipe),
            leaky=run.predictions.leaky,
        )
        for number, run in enumerate(runs, start=1)
    )
    return Section(
        "recipes",
        "How it was made",
        paragraphs=("The recipe of every run; long lists are cut here and whole in its recipe.json.",),
        subsections=parts,
    )


def _largest_confusion(entry: Graded) -> str:
    totals = entry.confusion.sum(1, keepdims=True).clip(1)
    share = entry.confusion / totals
    share[range(len(share)), range(len(share))] = 0
    i, j = divmod(int(share.argmax()), len(share))
    classes = entry.probs.classes
    return f"The largest confusion: {100 * share[i, j]:.0f} % of {classes[i]} called {classes[j]}."


def _legend(graded: Sequence[Graded]) -> str:
    return " Hollow: LEAKY." if any(entry.leaky for entry in graded) else ""
