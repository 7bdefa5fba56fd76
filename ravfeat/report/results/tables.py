"""Tables of scores, one row per system."""

from collections.abc import Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.page.cells import AVERAGING, IDENTITY, NAMES, NONE, identity, interval, table_row
from ravfeat.report.page.document import Column, Table
from ravfeat.runs.task import chance_said
from ravfeat.runs.trust import trust_of

__all__ = ["further_tables", "headline_table", "seed_table"]

_QUALITIES = ("nll", "brier", "ece")


def headline_table(graded: Sequence[Graded]) -> Table:
    """UAR and WA, pooled and fold mean, with intervals."""
    pairs = [(metric, averaging) for metric in ("uar", "wa") for averaging in ("pooled", "fold_mean")]
    columns = [Column(f"{NAMES[metric]}, {AVERAGING[averaging]}", numeric=True) for metric, averaging in pairs]
    audited = any(entry.run.audit is not None for entry in graded)
    columns += [Column("Features")] + ([Column("Audit")] if audited else [])
    rows = []
    for entry in graded:
        scores = (interval(entry.records[pair]) for pair in pairs)
        rows.append(table_row(entry, (*identity(entry), *scores, _made_by(entry), *_badge(entry, audited=audited))))
    caption = (
        f"{chance_said(len(graded[0].probs.classes))}. "
        "UAR is the mean recall over emotions, WA plain accuracy. In brackets the 95 % interval over actors (each left "
        "out in turn, Student's t); after ± the standard deviation over folds. Several seeds: their probabilities are "
        "averaged first."
    )
    if any(entry.members for entry in graded):
        caption += (
            " Fused is the mixture by the chosen rule; fused-linear and fused-loglinear are what either rule would"
            " have given."
        )
    return Table(caption, (*IDENTITY, *columns), tuple(rows), cards=True)


def _made_by(entry: Graded) -> str:
    """Say beside a number who made what it rests on."""
    return trust_of(entry.run.recipe).grade


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
    columns, keys = [Column(f"Macro F1, {AVERAGING[averaging]}", numeric=True)], ["macro_f1"]
    for metric in _QUALITIES:
        for ending, when in (("_uncalibrated", "as said"), ("", "calibrated")):
            columns.append(Column(f"{NAMES[metric]}, {when}", numeric=True))
            keys.append(f"{metric}{ending}")
    rows = [
        table_row(entry, (*identity(entry), *(interval(entry.records[key, averaging]) for key in keys)))
        for entry in graded
    ]
    caption = (
        f"{AVERAGING[averaging].capitalize()} scores of the test rows. Macro F1: higher is better. Negative log "
        "likelihood, Brier score (0 to 2) and expected calibration error (15 bins of equal mass): lower is better; as "
        "the system said them, and after its temperature. In brackets the same 95 % intervals. ECE leans upwards in "
        "small samples, its fold mean more so."
    )
    return Table(caption, (*IDENTITY, *columns), tuple(rows), folded=folded, cards=True)


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


def _range(values: Sequence[float]) -> str:
    if not values:
        return NONE
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"
