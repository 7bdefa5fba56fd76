"""``ravfeat compare-splits``."""

from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.observer import TerminalObserver
from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.table_options import as_written_option
from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("compare-splits")
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache, or a folder that holds one; repeat for more. [default: all under cache/]")  # fmt: skip
@click.option("--concat", "concat", cls=RenamedOption, formerly="--join", multiple=True, metavar="A,B",
              help="Caches of one stream whose pooled features are concatenated for one head; repeat"
              " for more.")  # fmt: skip
@click.option("--head", "heads", multiple=True, default=["logreg"], show_default=True,
              help="logreg, kernel, attentive or attentive-sum; repeat for more.")  # fmt: skip
@click.option("--protocol", default="ravdess6", show_default=True, metavar="NAME|FILE",
              help="The actor split, as for fit-heads: even folds, three or more; group6 for any corpus. The clip split"
              " has as many folds: clip6, or randomK.")  # fmt: skip
@click.option("--select", type=click.Choice(["val", "nested"]), default="val", show_default=True,
              help="Choose on validation clips, or on inner folds over all that is not tested.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Train with this many seeds.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--layers", help="Layers that heads may use: last, 3, 6-12 or 1,5,9. [default: all]")
@click.option("--no-std", is_flag=True, help="Pool the mean only, without the standard deviation.")
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Table of clip_id and label that replaces the corpus's labels."
)
@as_written_option
@click.option("--allow-missing", is_flag=True, help="Go on without clips that are not in the cache.")
@click.option("--out", type=click.Path(path_type=Path), help="Where both runs go. [default: runs/<date>-splits]")
@click.option("--force", is_flag=True, help="Replace a comparison that is already at --out.")
def command(
    caches: tuple[Path, ...],
    concat: tuple[str, ...],
    heads: tuple[str, ...],
    protocol: str,
    select: str,
    seeds: int,
    device: str,
    layers: str | None,
    labels: Path | None,
    as_written: tuple[str, ...],
    out: Path | None,
    *,
    no_std: bool,
    allow_missing: bool,
    force: bool,
) -> None:
    """Measure the gain of a leak: one head on an actor split and on the LEAKY clip split.

    The clip split trains on other clips of the actors (speakers) that it is tested on; what it scores
    more than the actor split is, above all, the gain of knowing them. The identity probe measures how
    well the features tell the actors apart.

    \b
    ravfeat compare-splits
    ravfeat compare-splits --cache cache/a --cache cache/b --concat cache/a,cache/b --select nested
    ravfeat compare-splits --protocol group6 --cache cache/crema-d
    """  # noqa: D301
    from ravfeat.api.inputs import find_inputs
    from ravfeat.encoders.device import resolve_device
    from ravfeat.experiment.fit import FitPlan
    from ravfeat.experiment.own_heads import bring_heads
    from ravfeat.resources import memory_remedy
    from ravfeat.runs.recipe import read_recipe
    from ravfeat.runs.task import changes
    from ravfeat.runs.trust import trust_of
    from ravfeat.splits.compare import check_comparison_out, compare_splits, write_comparison
    from ravfeat.splits.rows import HEADINGS, MEANING, cells, summary

    inputs = find_inputs(caches, concat, (), TerminalObserver(command_line()))
    target = out or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-splits"
    check_comparison_out(target, force=force)
    names, brought = bring_heads(heads)
    plan = FitPlan(
        caches=inputs.caches,
        protocol=protocol,
        heads=names,
        brought=brought,
        select=select,  # type: ignore[arg-type]  # click.Choice keeps it to the two
        seeds=seeds,
        device=resolve_device(device),
        layers=layers,
        std=not no_std,
        labels=labels,
        absent=inputs.absent,
        allow_missing=allow_missing,
        as_written=as_written,
        joins=inputs.joins,
    )
    started = perf_counter()
    with memory_remedy("read fewer --layers, or compare caches one by one"):
        comparison = compare_splits(plan)
    recipe: dict[str, Any] = {"command": command_line(), "heads": list(heads), "settings": {}}
    write_comparison(target, comparison, recipe, force=force)
    echo(summary(comparison.rows, comparison.about))
    _show([HEADINGS, *map(cells, comparison.rows)])
    echo(MEANING)
    echo(f"under the actor split: {comparison.about['detectable']}")
    read = read_recipe(target / "actor")
    echo("; ".join([trust_of(read).said, *changes(read)]))
    if len({row.gap.n for row in comparison.rows}) > 1:
        echo("the rows rest on different clips: their differences are not those of the systems alone")
    for row in comparison.rows:
        if row.no_probe:
            echo(f"no identity probe of {row.system}: {row.no_probe}")
    echo(
        f"{target}: splits.md, splits.png, and both runs, in {perf_counter() - started:.1f} s;"
        f" 'ravfeat report {target / 'actor'} {target / 'clip'}' makes the report"
    )


def _show(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
