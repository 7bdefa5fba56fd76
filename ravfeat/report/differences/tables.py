"""Tables of differences between systems."""

from collections.abc import Callable, Sequence

from ravfeat.report.differences.findings import Contrast
from ravfeat.report.page.cells import IDENTITY, NAMES, p_value, pair_identity, signed, system_name
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["gain_table", "pair_table", "quality_gain_table"]

_FURTHER = ("wa", "macro_f1", "nll", "brier", "ece")
_PAIRED = (
    "In brackets the 95 % interval of the difference over actors, paired: each is left out on both sides at once. p: "
    "how often a difference as large comes about when the two systems change places for actors drawn at random "
    "(10,000 draws, two-sided)."
)


def gain_table(contrasts: Sequence[Contrast]) -> Table:
    """Pooled UAR of one system minus that of every other."""
    caption = f"Pooled UAR (mean recall) of {system_name(contrasts[0].a)} minus that of the system named."
    titles = (_minus(contrasts), contrasts[0].a.system.stream, "other")
    return _table(contrasts, titles, lambda contrast: system_name(contrast.b), caption)


def pair_table(contrasts: Sequence[Contrast], folded: str) -> Table:
    """Pooled UAR of every two systems."""
    caption = "Pooled UAR (mean recall) of the first system minus that of the second."
    titles = ("Systems", "first", "second")
    return _table(contrasts, titles, _pair_name, caption, folded)


def quality_gain_table(contrasts: Sequence[Contrast]) -> Table:
    """Compare the same systems in the other metrics."""
    columns = (
        Column(_minus(contrasts)),
        *IDENTITY[1:],
        *(Column(f"{NAMES[metric]}, pooled", numeric=True) for metric in _FURTHER),
    )
    rows = tuple(
        TableRow(
            (
                system_name(contrast.b),
                *pair_identity(contrast.a, contrast.b),
                *(_with_p(contrast, metric) for metric in _FURTHER),
            ),
            contrast.a.leaky,
            quiet=contrast.b.role == "alternative",
        )
        for contrast in contrasts
    )
    caption = (
        "WA is plain accuracy. NLL, Brier score and ECE are those of calibrated probabilities; of them less is better, "
        f"so below zero {contrasts[0].a.system.stream} is better. {_PAIRED} p is {_holm_note(contrasts)}, in each "
        "metric by itself; ECE has none, since swapping systems does not test it."
    )
    return Table(caption, columns, rows, folded="WA, macro F1, NLL, Brier score and ECE", cards=True)


def _holm_note(contrasts: Sequence[Contrast]) -> str:
    """Say what p-values were corrected for."""
    families = list(dict.fromkeys(contrast.family for contrast in contrasts))
    each = ", each row for its own" if len(families) > 1 else ""
    return f"corrected (Holm) for {' or '.join(families)}{each}"


def _with_p(contrast: Contrast, metric: str) -> str:
    p = contrast.corrected[metric]
    return signed(contrast.differences[metric]) + ("" if p is None else f" p = {p_value(p)}")


def _pair_name(contrast: Contrast) -> str:
    return f"{system_name(contrast.a)} minus {system_name(contrast.b)}"


def _minus(contrasts: Sequence[Contrast]) -> str:
    return f"{contrasts[0].a.system.stream.capitalize()} minus"


def _table(
    contrasts: Sequence[Contrast],
    titles: tuple[str, str, str],
    name: Callable[[Contrast], str],
    caption: str,
    folded: str = "",
) -> Table:
    title, *sides = titles
    columns = (
        Column(title),
        *IDENTITY[1:],
        Column("Difference in UAR", numeric=True),
        Column("p", numeric=True, short=True),
        Column("p, Holm", numeric=True, short=True),
        *(Column(f"UAR, {side}", numeric=True, short=True) for side in sides),
    )
    caption = f"{caption} {_PAIRED} In the column after it, p is {_holm_note(contrasts)}."
    rows = []
    for contrast in contrasts:
        difference = contrast.differences["uar"]
        cells = (
            name(contrast),
            *pair_identity(contrast.a, contrast.b),
            signed(difference),
            p_value(difference.p),
            p_value(contrast.corrected["uar"]),
            f"{difference.value_a:.3f}",
            f"{difference.value_b:.3f}",
        )
        quiet = "alternative" in (contrast.a.role, contrast.b.role)
        rows.append(TableRow(cells, contrast.a.leaky, quiet=quiet))
    return Table(caption, columns, tuple(rows), folded=folded, cards=True)
