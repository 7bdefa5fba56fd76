"""Tables of the report. Every row of numbers carries protocol, selection, seeds and n.

Offers
------
headline_table, further_table, fold_table, recall_table, recall_detail_table, confusion_table, layer_table,
seed_table, gap_table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ravfeat.report.document import Column, Row, Table
from ravfeat.report.graded import Graded, LayerProfile
from ravfeat.report.leak import GAP_ROWS, LeakGap

__all__ = [
    "confusion_table",
    "fold_table",
    "further_table",
    "gap_table",
    "headline_table",
    "layer_table",
    "recall_detail_table",
    "recall_table",
    "seed_table",
]

_IDENTITY = (
    Column("System"),
    Column("Protocol", short=True),
    Column("Select", short=True),
    Column("Seeds", numeric=True, short=True),
    Column("n", numeric=True, short=True),
)
_NONE = "-"
_NAMES = {"uar": "UAR", "wa": "WA", "macro_f1": "macro F1", "nll": "NLL (nats)", "ece": "ECE (15 bins)"}
_AVERAGING = {"pooled": "pooled", "fold_mean": "fold mean"}


def headline_table(graded: Sequence[Graded]) -> Table:
    """UAR and WA, pooled and fold mean, with intervals."""
    return _score_table(
        graded,
        ("uar", "wa"),
        "UAR is the mean recall over emotions, WA plain accuracy. In brackets the 95 % interval of a bootstrap over "
        "actors; after ± the standard deviation over folds. Several seeds: their probabilities are averaged first.",
    )


def further_table(graded: Sequence[Graded]) -> Table:
    """Macro F1, NLL and ECE, with intervals."""
    return _score_table(
        graded,
        ("macro_f1", "nll", "ece"),
        "Macro F1 (higher is better), negative log likelihood and expected calibration error (lower is better), test "
        "rows only, with the same intervals. ECE leans upwards in small samples, its fold mean more so.",
        folded="Macro F1, NLL and ECE",
    )


def fold_table(graded: Sequence[Graded]) -> Table:
    """UAR of every fold; folds across, systems down."""
    folds = sorted({fold["fold"] for entry in graded for fold in entry.folds})
    columns = (*_IDENTITY, *(Column(f"Fold {fold}", numeric=True) for fold in folds))
    rows = []
    for entry in graded:
        values = {fold["fold"]: f"{fold['uar']:.3f}" for fold in entry.folds}
        rows.append(Row((*_identity(entry), *(values.get(fold, _NONE) for fold in folds)), entry.leaky))
    return Table(
        "UAR (mean recall) of each test fold, seeds averaged.", columns, tuple(rows), folded="Table", cards=True
    )


def recall_table(graded: Sequence[Graded]) -> Table:
    """Pooled recall by class; classes across, systems down."""
    labels = list(dict.fromkeys(recall.label for entry in graded for recall in entry.recalls))
    columns = (*_IDENTITY, *(Column(label, numeric=True) for label in labels))
    rows = []
    for entry in graded:
        values = {recall.label: f"{recall.value:.3f}" for recall in entry.recalls}
        rows.append(Row((*_identity(entry), *(values.get(label, _NONE) for label in labels)), entry.leaky))
    return Table(
        "Pooled recall of each emotion, seeds averaged; their mean is the pooled UAR.", columns, tuple(rows), cards=True
    )


def recall_detail_table(entry: Graded) -> Table:
    """Recall of one system with intervals."""
    columns = (Column("Emotion"), *(Column(title, numeric=True) for title in ("Recall", "95 % interval", "n")))
    rows = tuple(
        Row((r.label, f"{r.value:.3f}", f"[{r.ci_low:.3f}, {r.ci_high:.3f}]", str(r.n)), entry.leaky)
        for r in entry.recalls
    )
    return Table(f"Pooled recall · {entry.conditions}", columns, rows, folded="Table")


def confusion_table(entry: Graded) -> Table:
    """Clip counts by true (down) and predicted (across) class."""
    classes = entry.probs.classes
    columns = (Column("True \\ predicted"), *(Column(label, numeric=True) for label in classes))
    rows = tuple(
        Row((label, *(str(count) for count in counts)), entry.leaky)
        for label, counts in zip(classes, entry.confusion, strict=True)
    )
    return Table(f"Clips by true and predicted emotion · {entry.conditions}", columns, rows, folded="Table")


def layer_table(entry: Graded, profile: LayerProfile) -> Table:
    """Mean, smallest and largest weight of each layer."""
    columns = (Column("Layer", numeric=True), *(Column(title, numeric=True) for title in ("Mean", "Lowest", "Highest")))
    rows = tuple(
        Row((str(layer), f"{mean:.3f}", f"{low:.3f}", f"{high:.3f}"), entry.leaky)
        for layer, mean, low, high in zip(profile.layers, profile.mean, profile.low, profile.high, strict=True)
    )
    return Table(f"Layer weights over {profile.n_models} models · {entry.conditions}", columns, rows, folded="Table")


def seed_table(graded: Sequence[Graded]) -> Table:
    """Single seeds on test and validation rows."""
    columns = (
        *_IDENTITY,
        Column("Test UAR, seeds averaged", numeric=True),
        Column("Test UAR, single seeds", numeric=True),
        Column("Validation UAR, single seeds", numeric=True),
    )
    rows = [
        Row(
            (
                *_identity(entry),
                f"{entry.records['uar', 'pooled']['value']:.3f}",
                _range(entry.seed_scores("test", "uar")),
                _range(entry.seed_scores("val", "uar")),
            ),
            entry.leaky,
        )
        for entry in graded
    ]
    caption = (
        "Pooled UAR (mean recall) of single seeds, lowest to highest. Averaging seeds is a small ensemble and usually "
        "beats each of them. Validation rows chose models and settings, so their score is not a result."
    )
    return Table(caption, columns, tuple(rows), folded="Single seeds", cards=True)


def gap_table(gaps: Sequence[LeakGap]) -> Table:
    """Honest and LEAKY scores side by side, and the gap with its paired interval."""
    columns = (
        Column("System"),
        Column("Select", short=True),
        Column("Seeds", numeric=True, short=True),
        Column("n", numeric=True, short=True),
        Column("Metric", short=True),
        Column("Actors kept apart", numeric=True),
        Column("Clip split, LEAKY", numeric=True),
        Column("Gap", numeric=True),
    )
    rows = []
    for gap in gaps:
        for (metric, averaging), found in zip(GAP_ROWS, gap.differences, strict=False):
            cells = (
                *_pair_identity(gap),
                str(found.n),
                f"{_NAMES[metric]}, {_AVERAGING[averaging]}",
                f"{gap.honest.protocol}: {found.value_b:.3f}",
                f"{gap.leaky.protocol}: {found.value_a:.3f}",
                f"{found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]",
            )
            rows.append(Row(cells, leaky=True))
    caption = (
        "The same stream, features and head, scored on the same performances. In brackets the 95 % interval of the "
        "gap: a paired bootstrap that draws the same actors on both sides."
    )
    return Table(caption, columns, tuple(rows), cards=True)


def _pair_identity(gap: LeakGap) -> tuple[str, str, str]:
    selects = dict.fromkeys((gap.honest.run.predictions.select, gap.leaky.run.predictions.select))
    seeds = dict.fromkeys((str(len(gap.honest.probs.seeds)), str(len(gap.leaky.probs.seeds))))
    return _system(gap.honest), " / ".join(selects), " / ".join(seeds)


def _score_table(graded: Sequence[Graded], metrics: Sequence[str], caption: str, folded: str = "") -> Table:
    pairs = [(metric, averaging) for metric in metrics for averaging in ("pooled", "fold_mean")]
    titles = [f"{_NAMES[metric]}, {_AVERAGING[averaging]}" for metric, averaging in pairs]
    columns = (*_IDENTITY, *(Column(title, numeric=True) for title in titles))
    rows = [Row((*_identity(entry), *(_cell(entry.records[pair]) for pair in pairs)), entry.leaky) for entry in graded]
    return Table(caption, columns, tuple(rows), folded=folded, cards=True)


def _identity(entry: Graded) -> tuple[str, ...]:
    return (
        _system(entry),
        entry.protocol,
        entry.run.predictions.select,
        str(len(entry.probs.seeds)),
        str(len(entry.probs)),
    )


def _system(entry: Graded) -> str:
    return f"{entry.system}, synthetic" if entry.synthetic else str(entry.system)


def _cell(record: Mapping[str, Any]) -> str:
    spread = f" ± {record['sd']:.3f}" if record["averaging"] == "fold_mean" and record["sd"] is not None else ""
    return f"{record['value']:.3f}{spread} [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"


def _range(values: Sequence[float]) -> str:
    if not values:
        return _NONE
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"
