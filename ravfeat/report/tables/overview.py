"""Tables that set systems side by side."""

from collections.abc import Sequence

from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.leak import GAP_ROWS, LeakGap
from ravfeat.report.page.document import Column, Row, Table
from ravfeat.report.tables.cells import (
    IDENTITY,
    NAMES,
    NONE,
    identity,
    interval,
    pair_identity,
    signed,
    system_name,
    table_row,
)

__all__ = ["fold_table", "further_tables", "gap_table", "headline_table", "recall_table", "seed_table"]

_AVERAGING = {"pooled": "pooled", "fold_mean": "fold mean"}
_QUALITIES = ("nll", "brier", "ece")
_MANY = 8  # rows after which a table is folded


def headline_table(graded: Sequence[Graded]) -> Table:
    """UAR and WA, pooled and fold mean, with intervals."""
    pairs = [(metric, averaging) for metric in ("uar", "wa") for averaging in ("pooled", "fold_mean")]
    columns = [Column(f"{NAMES[metric]}, {_AVERAGING[averaging]}", numeric=True) for metric, averaging in pairs]
    audited = any(entry.run.audit is not None for entry in graded)
    columns += [Column("Audit")] if audited else []
    rows = []
    for entry in graded:
        scores = (interval(entry.records[pair]) for pair in pairs)
        rows.append(table_row(entry, (*identity(entry), *scores, *_badge(entry, audited=audited))))
    caption = (
        "UAR is the mean recall over emotions, WA plain accuracy. In brackets the 95 % interval of a bootstrap over "
        "actors; after ± the standard deviation over folds. Several seeds: their probabilities are averaged first."
    )
    if any(entry.members for entry in graded):
        caption += (
            " Fused is the mixture by the chosen rule; fused-linear and fused-loglinear are what either rule would"
            " have given."
        )
    return Table(caption, (*IDENTITY, *columns), tuple(rows), cards=True)


def _badge(entry: Graded, *, audited: bool) -> tuple[str, ...]:
    """Say beside a number what its audit came to, where any was made."""
    audit = entry.run.audit
    return (("none" if audit is None else audit.badge),) if audited else ()


def further_tables(graded: Sequence[Graded]) -> tuple[Table, Table]:
    """Macro F1, and NLL, Brier score and ECE before and after calibration: pooled, and fold means."""
    return (
        _further(graded, "pooled", "Macro F1, NLL, Brier score and ECE"),
        _further(graded, "fold_mean", "The same, fold means"),
    )


def _further(graded: Sequence[Graded], averaging: str, folded: str) -> Table:
    columns, keys = [Column(f"Macro F1, {_AVERAGING[averaging]}", numeric=True)], ["macro_f1"]
    for metric in _QUALITIES:
        for ending, when in (("_uncalibrated", "as said"), ("", "calibrated")):
            columns.append(Column(f"{NAMES[metric]}, {when}", numeric=True))
            keys.append(f"{metric}{ending}")
    rows = [
        table_row(entry, (*identity(entry), *(interval(entry.records[key, averaging]) for key in keys)))
        for entry in graded
    ]
    caption = (
        f"{_AVERAGING[averaging].capitalize()} scores of the test rows. Macro F1: higher is better. Negative log "
        "likelihood, Brier score (0 to 2) and expected calibration error (15 bins of equal mass): lower is better; as "
        "the system said them, and after its temperature. In brackets the same 95 % intervals. ECE leans upwards in "
        "small samples, its fold mean more so."
    )
    return Table(caption, (*IDENTITY, *columns), tuple(rows), folded=folded, cards=True)


def fold_table(graded: Sequence[Graded]) -> Table:
    """UAR of every fold; folds across, systems down."""
    folds = sorted({fold["fold"] for entry in graded for fold in entry.folds})
    columns = (*IDENTITY, *(Column(f"Fold {fold}", numeric=True, short=True) for fold in folds))
    rows = []
    for entry in graded:
        values = {fold["fold"]: f"{fold['uar']:.3f}" for fold in entry.folds}
        rows.append(table_row(entry, (*identity(entry), *(values.get(fold, NONE) for fold in folds))))
    return Table(
        "UAR (mean recall) of each test fold, seeds averaged.", columns, tuple(rows), folded="Table", cards=True
    )


def recall_table(graded: Sequence[Graded]) -> Table:
    """Pooled recall by class; classes across, systems down."""
    labels = list(dict.fromkeys(recall.label for entry in graded for recall in entry.recalls))
    columns = (*IDENTITY, *(Column(label, numeric=True, short=True) for label in labels))
    rows = []
    for entry in graded:
        values = {recall.label: f"{recall.value:.3f}" for recall in entry.recalls}
        rows.append(table_row(entry, (*identity(entry), *(values.get(label, NONE) for label in labels))))
    return Table(
        "Pooled recall of each emotion, seeds averaged; their mean is the pooled UAR.",
        columns,
        tuple(rows),
        folded="All systems" if len(rows) > _MANY else "",
        cards=True,
    )


def seed_table(graded: Sequence[Graded]) -> Table:
    """Single seeds on test and validation rows; fused systems have none."""
    columns = (
        *IDENTITY,
        Column("Test UAR, seeds averaged", numeric=True),
        Column("Test UAR, single seeds", numeric=True),
        Column("Validation UAR, single seeds", numeric=True),
    )
    rows = [
        table_row(
            entry,
            (
                *identity(entry),
                f"{entry.records['uar', 'pooled']['value']:.3f}",
                _range(entry.seed_scores("test", "uar")),
                _range(entry.seed_scores("val", "uar")),
            ),
        )
        for entry in graded
        if entry.role == "single"
    ]
    caption = (
        "Pooled UAR (mean recall) of single seeds, lowest to highest. Averaging seeds is a small ensemble and usually "
        "beats each of them. Validation rows chose models and settings, so their score is not a result."
    )
    return Table(caption, columns, tuple(rows), folded="Single seeds", cards=True)


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
        for (metric, averaging), found in zip(GAP_ROWS, gap.differences, strict=False):
            cells = (
                system_name(gap.honest),
                *pair_identity(gap.honest, gap.leaky)[1:],
                f"{NAMES[metric]}, {_AVERAGING[averaging]}",
                f"{gap.honest.protocol}: {found.value_b:.3f}",
                f"{gap.leaky.protocol}: {found.value_a:.3f}",
                signed(found),
            )
            rows.append(Row(cells, leaky=True))
    caption = (
        "The same stream, features and head, scored on the same performances; of a fused system, the same members. In "
        "brackets the 95 % interval of the gap: a paired bootstrap that draws the same actors on both sides."
    )
    return Table(caption, columns, tuple(rows), cards=True)


def _range(values: Sequence[float]) -> str:
    if not values:
        return NONE
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"
