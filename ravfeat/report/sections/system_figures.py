"""Figures of one system with their words: recall, confusion, layers, reliability."""

from ravfeat.report.drawings.calibration import reliability_figure
from ravfeat.report.drawings.systems import confusion_figure, layers_figure, recall_figure
from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.layers import LayerProfile
from ravfeat.report.page.document import Figure
from ravfeat.report.tables.calibration import reliability_table
from ravfeat.report.tables.systems import confusion_table, layer_table, recall_detail_table

__all__ = ["confusion_of", "layers_of", "recall_of", "reliability_of"]


def recall_of(entry: Graded) -> Figure:
    """Recall of every emotion."""
    return Figure(
        name=f"{entry.slug}-recall",
        title="Recall of each emotion",
        caption=f"Recall of each emotion, with 95 % interval over actors. {entry.conditions}",
        alt=f"Recall of {_who(entry)}: " + ", ".join(f"{recall.label} {recall.value:.2f}" for recall in entry.recalls),
        canvas=recall_figure(entry),
        table=recall_detail_table(entry),
    )


def confusion_of(entry: Graded, name: str = "", *, titled: bool = False) -> Figure:
    """Confusion matrix; `titled` where its surroundings do not say whose it is."""
    start = f"{entry.system}: percent" if titled else "Percent"
    return Figure(
        name=name or f"{entry.slug}-confusion",
        title="Confusion matrix",
        caption=f"{start} of the true emotion (rows) called each emotion (columns). {entry.conditions}",
        alt=f"Confusion matrix of {_who(entry)}. {_largest_confusion(entry)}",
        canvas=confusion_figure(entry),
        table=confusion_table(entry),
    )


def layers_of(entry: Graded, profile: LayerProfile) -> Figure:
    """Learned layer weights."""
    top = profile.layers[profile.mean.argmax()]
    return Figure(
        name=f"{entry.slug}-layers",
        title="Learned layer weights",
        caption=f"{entry.system}: learned layer weights, mean and range over {profile.n_models} models (folds and "
        f"seeds). {entry.conditions}",
        alt=f"Layer weights of {_who(entry)}: layer {top} has the largest mean weight, {profile.mean.max():.3f}; "
        f"equal weights would be {1 / len(profile.layers):.3f}.",
        canvas=layers_figure(entry, profile),
        table=layer_table(entry, profile),
    )


def reliability_of(entry: Graded) -> Figure:
    """Reliability before and after calibration."""
    before, after = (entry.records[metric, "pooled"]["value"] for metric in ("ece_uncalibrated", "ece"))
    return Figure(
        name=f"{entry.slug}-reliability",
        title="Reliability before and after calibration",
        caption=f"{entry.system}: ECE {before:.3f} → {after:.3f} (15 bins). {entry.conditions}",
        alt=f"Reliability of {_who(entry)}, accuracy by confidence in 15 bins of equal mass: expected calibration "
        f"error {before:.3f} as the system said it, {after:.3f} at its temperatures.",
        canvas=reliability_figure(entry),
        table=reliability_table(entry),
    )


def _who(entry: Graded) -> str:
    return f"{entry.system}, {entry.conditions}"


def _largest_confusion(entry: Graded) -> str:
    totals = entry.confusion.sum(1, keepdims=True).clip(1)
    share = entry.confusion / totals
    share[range(len(share)), range(len(share))] = 0
    i, j = divmod(int(share.argmax()), len(share))
    classes = entry.probs.classes
    return f"The largest confusion: {100 * share[i, j]:.0f} % of {classes[i]} called {classes[j]}."
