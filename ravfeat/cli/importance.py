"""``ravfeat importance``."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli.terminal import aligned, echo

if TYPE_CHECKING:
    from ravfeat.runs.importance_file import Fall, GroupImportance, Importance

__all__ = ["command"]

_SHOWN = 12


@click.command("importance")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache of the run that was moved, or a folder of such caches; repeat for more.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(1, 1000), default=10, show_default=True,
              help="How often each group is shuffled; time grows with it.")  # fmt: skip
@click.option("--by", "kinds", type=click.Choice(["stream", "cache", "layer", "statistic", "feature"]), multiple=True,
              help="Kinds of groups to shuffle; repeat for more. [default: all there are]")  # fmt: skip
@click.option("--alone", is_flag=True, help="Also shuffle everything but a group: what it gives alone. Twice the time.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or auto.")
def command(
    run: Path, caches: tuple[Path, ...], repeats: int, kinds: tuple[Any, ...], device: str, *, alone: bool
) -> None:
    """Say which layers, statistics, streams and named features the heads of a run decide by.

    Each group of inputs is shuffled among the test clips of a fold, and the run's own heads score them again. What UAR
    and NLL lose is the importance of the group, with an interval over actors; it goes into importance.json in the run's
    folder, and 'ravfeat report' draws it. Groups that know the same, such as neighbouring layers, stand in for each
    other, so that each may seem worth little.

    \b
    ravfeat importance runs/a
    ravfeat importance runs/a --by layer --repeats 3
    """  # noqa: D301
    from ravfeat.encoders.device import resolve_device
    from ravfeat.importance import measure_run
    from ravfeat.runs.recipe import read_recipe
    from ravfeat.runs.task import chance_said, changes
    from ravfeat.runs.trust import trust_of

    started = perf_counter()
    importance = measure_run(
        run, caches=caches, repeats=repeats, kinds=kinds, alone=alone, device=resolve_device(device)
    )
    recipe = read_recipe(run)
    leaky = "  LEAKY" if recipe.leaky else ""
    facts = (chance_said(len(recipe.classes)), trust_of(recipe).said, *changes(recipe))
    echo(f"{'; '.join(facts)}{leaky}")
    _show(importance, leaky=leaky)
    echo(f"{run / 'importance.json'}: {repeats} times each, in {perf_counter() - started:.1f} s")


def _show(importance: "Importance", leaky: str) -> None:
    from ravfeat.schema import transductive_suffix

    for measured in importance.systems:
        marks = f"{leaky}{'  TRANSDUCTIVE' if transductive_suffix(measured.features) else ''}"
        echo(f"{measured.system}: UAR {measured.uar:.3f}, NLL {measured.nll:.3f}, n={measured.n} test clips{marks}")
        for kind in dict.fromkeys(group.kind for group in measured.groups):
            groups = sorted(measured.of_kind(kind), key=lambda group: -group.uar_fall.value)
            title = ("shuffled" if kind == "all" else kind, "UAR falls by", "NLL rises by", "UAR alone")
            rows = [title, *map(_cells, groups)]
            if groups[0].uar_alone is None:
                rows = [row[:-1] for row in rows]
            echo("\n".join(f"  {line}" for line in aligned(rows[: _SHOWN + 1])))
            if len(groups) > _SHOWN:
                echo(f"  … and {len(groups) - _SHOWN} more in importance.json")


def _cells(group: "GroupImportance") -> tuple[str, ...]:
    return group.name, _cell(group.uar_fall), _cell(group.nll_rise), _cell(group.uar_alone)


def _cell(fall: "Fall | None") -> str:
    return "" if fall is None else f"{fall.value:+.3f} [{fall.ci_low:+.3f}, {fall.ci_high:+.3f}]"
