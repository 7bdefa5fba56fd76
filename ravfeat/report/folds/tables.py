"""Tables of what a fusion learned in every fold, and of what came of it."""

from collections.abc import Sequence

from ravfeat.fusion import FoldFusion
from ravfeat.report.fused import RULES, FusedRun
from ravfeat.report.graded import Graded
from ravfeat.report.page.cells import IDENTITY, NONE, identity, system_name, table_row, temperature_cell
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["choice_table", "fold_table", "weight_tables"]


def choice_table(fused_run: FusedRun) -> Table:
    """Per fold: the rule, and UAR of the best single system and of the fused one, where learned and where tested."""
    learned = "Validation" if not fused_run.crossfitted else "Cross-fitted"
    titles = (
        f"{learned} UAR, best single",
        f"{learned} UAR, fused",
        "Test UAR, best single",
        "Test UAR, fused",
        "Test, fused minus single",
    )
    columns = (
        Column("Fold"),
        Column("Rule", short=True),
        Column(f"n, {learned.lower()}", numeric=True, short=True),
        Column("Best single"),
        *(Column(title, numeric=True) for title in titles),
    )
    test = zip(fused_run.best_single_uar, fused_run.test_uar(fused_run.fused), fused_run.gains, strict=True)
    rows = [
        TableRow(
            (
                _fold_name(fused_run, fold),
                RULES[fold.chosen],
                str(fold.n),
                str(fused_run.members[fold.single].system),
                f"{fold.singles[fold.single].uar:.3f}",
                f"{fold.scores[fold.chosen].uar:.3f}",
                f"{single:.3f}",
                f"{fused:.3f}",
                f"{gain:+.3f}",
            ),
            fused_run.fused.leaky,
        )
        for fold, (single, fused, gain) in zip(fused_run.fusion.folds, test, strict=True)
    ]
    caption = (
        f"What each fold learned from its {fused_run.rows}, and what came of it on its test rows. Best single: the "
        f"system of highest UAR on the {fused_run.rows}. The UAR of fused there is that of the rows that chose rule "
        f"and weights. {fused_run.fused.conditions}"
    )
    return Table(caption, columns, tuple(rows), cards=True)


def weight_tables(fused_run: FusedRun) -> tuple[Table, Table, Table]:
    """Weights of the chosen rule, weights of both rules, and temperatures: systems down, folds across."""
    folds, conditions = fused_run.fusion.folds, fused_run.fused.conditions
    members = range(len(fused_run.members))
    chosen = [_row(fused_run, m, [f"{fold.weights[m]:.2f}" for fold in folds]) for m in members]
    linear = [_row(fused_run, m, [f"{fold.linear[m]:.2f}" for fold in folds], "linear") for m in members]
    loglinear = [_row(fused_run, m, [_loglinear(fold, m) for fold in folds], "log-linear") for m in members]
    temperatures = [_row(fused_run, m, [temperature_cell(fold.temperatures[m]) for fold in folds]) for m in members]
    rules = [f"Fold {fold.fold}, {RULES[fold.chosen]}" for fold in folds]
    plain = [f"Fold {fold.fold}" for fold in folds]
    caption = (
        "Linear weights sum to 1. Log-linear ones need not: at 1 each, the systems' probabilities are multiplied. "
        f"{conditions}"
    )
    divided = f"Temperature of every system before it was mixed: its logits are divided by it. {conditions}"
    return (
        _by_fold(rules, chosen, f"Weights of the chosen rule. {caption}", "Weights of the chosen rule"),
        _by_fold(plain, [*linear, *loglinear], f"Weights of both rules. {caption}", "Weights of both rules"),
        _by_fold(plain, temperatures, divided, "Temperatures of the systems"),
    )


def _by_fold(titles: Sequence[str], rows: Sequence[TableRow], caption: str, folded: str) -> Table:
    columns = (Column("System"), *(Column(title, numeric=True, short=True) for title in titles))
    return Table(caption, columns, tuple(rows), folded=folded, cards=True)


def _row(fused_run: FusedRun, member: int, cells: Sequence[str], rule: str = "") -> TableRow:
    name = system_name(fused_run.members[member])
    return TableRow((f"{name}, {rule}" if rule else name, *cells), fused_run.fused.leaky)


def _loglinear(fold: FoldFusion, member: int) -> str:
    return f"{fold.loglinear[member]:.2f}{' (bound)' if member in fold.at_bound else ''}"


def _fold_name(fused_run: FusedRun, fold: FoldFusion) -> str:
    return f"Fold {fold.fold}, synthetic" if fused_run.fused.synthetic else f"Fold {fold.fold}"


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
