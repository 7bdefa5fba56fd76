"""Tables of a corpus: counts, what each measure tells, copies, protocols that fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ravfeat.explore.counts import Cross
from ravfeat.explore.fitting import Fit
from ravfeat.explore.listing import natural
from ravfeat.explore.recordings import Pair
from ravfeat.explore.telling import Telling
from ravfeat.report.page.cells import NONE
from ravfeat.report.page.document import Column, Table, TableRow

if TYPE_CHECKING:  # it brings torch, which a report of finished runs does without
    from ravfeat.explore.separability import Separability

__all__ = ["cross_table", "fit_table", "measure_table", "pair_table", "separability_table", "telling_table"]

_MOST_PAIRS, _MOST_ROWS = 100, 500
_QUANTILES = (5, 25, 50, 75, 95)


def cross_table(cross: Cross) -> Table:
    """Clips by two columns, with sums; long ones are cut."""
    columns = (
        Column(f"{cross.names[0]} \\ {cross.names[1]}"),
        *(Column(name or "(empty)", numeric=True, short=True) for name in cross.columns),
        Column("all", numeric=True, short=True),
    )
    rows = [
        TableRow((name or "(empty)", *map(str, counts), str(sum(counts))))
        for name, counts in zip(cross.rows[:_MOST_ROWS], cross.counts.tolist(), strict=False)
    ]
    rows.append(TableRow(("all", *map(str, cross.counts.sum(0).tolist()), str(int(cross.counts.sum())))))
    cut = f", the first {_MOST_ROWS} of {len(cross.rows)}" if len(cross.rows) > _MOST_ROWS else ""
    return Table(f"Clips by {cross.names[0]} and {cross.names[1]}{cut}.", columns, tuple(rows), folded="Table")


def fit_table(fits: Iterable[Fit]) -> Table:
    """Protocols with their folds, or why they do not fit."""
    columns = (Column("Protocol", short=True), Column("Fits", short=True), Column("Folds, or why not"))
    rows = tuple(TableRow((fit.protocol, "yes" if fit.fits else "no", fit.words), quiet=not fit.fits) for fit in fits)
    return Table("Protocols of ravfeat on these clips, tried with 'ravfeat fit-heads --protocol'.", columns, rows)


def telling_table(told: Mapping[str, Mapping[str, Telling]], names: Mapping[str, str]) -> Table:
    """How well single measures name what, beside chance.

    Parameters
    ----------
    told : mapping of str to (mapping of str to Telling)
        By what is named, such as ``label``; then by the measure.
    names : mapping of str to str
        What measures are called.
    """
    columns = (Column("Measure"), *(Column(f"names the {target}", numeric=True) for target in told))
    rows = []
    for measure, words in names.items():
        cells = (of_target.get(measure) for of_target in told.values())
        rows.append(
            TableRow((words, *(f"{cell.value:.2f} (chance {cell.chance:.2f})" if cell else NONE for cell in cells)))
        )
    caption = (
        "UAR by which one measure alone, cut into ten parts, names the label and the actor: a clip is given what is"
        " most frequent among the others of its part."
    )
    return Table(caption, columns, tuple(rows))


def pair_table(pairs: Sequence[Pair]) -> Table:
    """Clips that are, or may be, one recording; those of two actors or labels first."""
    columns = (
        Column("Clip"), Column("is like"), Column("Similarity", numeric=True, short=True), Column("Compared by"),
        Column("Actors"), Column("Labels"),
    )  # fmt: skip
    rows = tuple(
        TableRow(
            (pair.a, pair.b, "same samples" if pair.how == "samples" else f"{pair.similarity:.3f}", pair.how,
             _both(pair.actors), _both(pair.labels)),
            leaky="actor" in pair.crosses,
        )
        for pair in pairs[:_MOST_PAIRS]
    )  # fmt: skip
    cut = f"The first {_MOST_PAIRS} of {len(pairs)} pairs" if len(pairs) > _MOST_PAIRS else "Pairs"
    return Table(f"{cut} of clips; those of two actors or labels come first.", columns, rows)


def _both(values: tuple[str, str]) -> str:
    return values[0] if values[0] == values[1] else f"{values[0]} and {values[1]}"


def separability_table(found: "Separability") -> Table:
    """List what every layer tells."""
    columns = (
        Column("Layer", numeric=True), Column("Classes, on new actors", numeric=True),
        Column("Actors, on new emotions", numeric=True),
    )  # fmt: skip
    rows = tuple(
        TableRow(
            (str(layer.layer), *(f"{value:.3f}" if value == value else NONE for value in (layer.classes, layer.actors)))
        )
        for layer in found.layers
    )
    chance = f"chance {found.chance_classes:.3f} and {found.chance_actors:.3f}"
    caption = f"UAR of linear probes on {found.n_clips} clips of {found.n_actors} actors; {chance}."
    return Table(caption, columns, rows, folded="Table")


def measure_table(values: NDArray[np.float64], labels: Sequence[str], words: str) -> Table:
    """Quantiles of one measure by class."""
    columns = (Column("Class"), *(Column(f"{quantile} %", numeric=True, short=True) for quantile in _QUANTILES))
    of_class, rows = np.asarray(labels, object), []
    for name in sorted(set(labels), key=natural):
        own = values[(of_class == name) & np.isfinite(values)]
        cells = [f"{value:.2f}" for value in np.percentile(own, _QUANTILES)] if len(own) else [NONE] * len(_QUANTILES)
        rows.append(TableRow((name, *cells)))
    return Table(f"{words}: quantiles by class.", columns, tuple(rows), folded="Table")


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else NONE
