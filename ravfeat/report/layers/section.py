"""The section on learned layer weights: figures, tables and words."""

from collections.abc import Sequence

from ravfeat.report.graded import Graded
from ravfeat.report.layers.figures import layers_figure
from ravfeat.report.layers.findings import LayerProfile
from ravfeat.report.page.document import Column, PageFigure, Section, Table, TableRow

__all__ = ["layer_section", "layer_table"]


def layer_section(graded: Sequence[Graded]) -> Section | None:
    """Show learned layer weights; None where no head learned any."""
    figures = tuple(layers_of(entry, entry.layers) for entry in graded if entry.layers is not None)
    if not figures:
        return None
    why = (
        "A head with layer weights says which depths of the encoder it reads. Weights of neighbouring layers stand in "
        "for each other, so the shape means more than a single dot."
    )
    return Section("layers", "Layer weights", (why,), figures)


def layers_of(entry: Graded, profile: LayerProfile) -> PageFigure:
    """Learned layer weights."""
    top = profile.layers[profile.mean.argmax()]
    return PageFigure(
        name=f"{entry.slug}-layers",
        title="Learned layer weights",
        caption=f"{entry.system}: learned layer weights, mean and range over {profile.n_models} models (folds and "
        f"seeds). {entry.conditions}",
        alt=f"Layer weights of {entry.system}, {entry.conditions}: layer {top} has the largest mean "
        f"weight, {profile.mean.max():.3f}; equal weights would be {1 / len(profile.layers):.3f}.",
        canvas=layers_figure(entry, profile),
        table=layer_table(entry, profile),
    )


def layer_table(entry: Graded, profile: LayerProfile) -> Table:
    """Mean, smallest and largest weight of each layer."""
    columns = (Column("Layer", numeric=True), *(Column(title, numeric=True) for title in ("Mean", "Lowest", "Highest")))
    rows = tuple(
        TableRow((str(layer), f"{mean:.3f}", f"{low:.3f}", f"{high:.3f}"), entry.leaky)
        for layer, mean, low, high in zip(profile.layers, profile.mean, profile.low, profile.high, strict=True)
    )
    return Table(f"Layer weights over {profile.n_models} models · {entry.conditions}", columns, rows, folded="Table")
