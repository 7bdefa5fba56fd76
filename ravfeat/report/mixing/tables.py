"""Tables under the drawings of mixtures."""

from collections.abc import Iterable

import numpy as np

from ravfeat.fusion.surface import Curve
from ravfeat.report.fused import FusedRun
from ravfeat.report.mixing.findings import Surface
from ravfeat.report.page.cells import NONE
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["share_table", "weight_table"]


def share_table(fused_run: FusedRun, surface: Surface) -> Table:
    """Per fold: the share that was chosen, and the one of lowest NLL, with the UAR of both."""
    titles = ("Chosen share", "UAR there", "Share of lowest NLL", "UAR there, by NLL", "NLL there")
    picked = zip(surface.curves, surface.chosen, surface.likeliest, strict=True)
    values = np.array([[*_point(curve, i)[:2], *_point(curve, j)] for curve, i, j in picked])  # (F, 5)
    names = [*(f"Fold {fold.fold}" for fold in fused_run.fusion.folds), "Mean of folds"]
    rows = [_row(fused_run, name, cells) for name, cells in zip(names, [*values, values.mean(0)], strict=True)]
    best = int(surface.linear_nll.argmin())
    lowest = (surface.curves[0].shares[best], surface.uar[best], surface.linear_nll[best])
    rows.append(_row(fused_run, "Mean curve", (None, None, *lowest)))
    caption = (
        f"Linear rule, {fused_run.rows}. Share: the part of the weight on {surface.sides.names[0]}; the rest is on "
        f"{surface.sides.names[1]}. {fused_run.fused.conditions}"
    )
    columns = (Column("Fold"), *(Column(title, numeric=True) for title in titles))
    return Table(caption, columns, tuple(rows), folded="Table")


def weight_table(fused_run: FusedRun, surface: Surface) -> Table:
    """Per fold: the total weight of either side, and the NLL there."""
    first, second = surface.sides.names
    columns = (
        Column("Fold"),
        Column(f"Weight of {first}", numeric=True),
        Column(f"Weight of {second}", numeric=True),
        Column("NLL (nats)", numeric=True),
    )
    rows = [
        _row(fused_run, f"Fold {fold.fold}", (weight_a, weight_b, fold.scores["loglinear"].nll))
        for fold, (weight_a, weight_b) in zip(fused_run.fusion.folds, surface.weights, strict=True)
    ]
    b, a = divmod(int(surface.nll.argmin()), len(surface.first_axis))
    lowest = (surface.first_axis[a], surface.second_axis[b], surface.nll.min())
    rows.append(_row(fused_run, "Mean map, lowest NLL", lowest))
    a, b = (int(np.abs(values - 1).argmin()) for values in (surface.first_axis, surface.second_axis))
    rows.append(
        _row(fused_run, "Mean map, both weights 1", (surface.first_axis[a], surface.second_axis[b], surface.nll[b, a]))
    )
    caption = (
        f"Log-linear rule, {fused_run.rows}: total weights of {first} and of {second}, and the NLL of the mixture (of "
        f"a fold: at its best temperature). {fused_run.fused.conditions}"
    )
    return Table(caption, columns, tuple(rows), folded="Table")


def _point(curve: Curve, at: int) -> tuple[float, float, float]:
    return curve.shares[at], curve.uar[at], curve.nll[at]


def _row(fused_run: FusedRun, name: str, values: Iterable[float | None]) -> TableRow:
    cells = (NONE if value is None else f"{value:.3f}" for value in values)
    return TableRow((f"{name}, synthetic" if fused_run.fused.synthetic else name, *cells), fused_run.fused.leaky)
