"""The options of ``ravfeat fit-heads`` that train on one corpus and test on another."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.show_corpus import show_absent
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.crosscorpus import CrossPlan

__all__ = ["across_options", "check_across", "cross_plan", "show_across"]

F = TypeVar("F", bound=Callable[..., Any])

_ONE_CORPUS = {
    "caches": "--cache",
    "concat": "--concat",
    "views": "--train-views",
    "average_views": "--average-views",
    "protocol": "--protocol",
    "labels": "--labels",
    "clips": "--clips",
    "allow_leak": "--allow-leak",
}
"""Options that speak of one corpus, by the name of their parameter."""

_TWO_CORPORA = {"label_map": "--label-map", "normalise": "--normalise"}


def across_options(command: F) -> F:
    """Add the options to a command."""
    options = (
        click.option("--train-cache", "train_caches", type=click.Path(path_type=Path), multiple=True,
                     help="Train on this corpus and test on another; repeat for more streams, each with its"
                     " --test-cache."),
        click.option("--test-cache", "test_caches", type=click.Path(path_type=Path), multiple=True,
                     help="The other corpus, by the same encoder; matched with --train-cache in the order given."),
        click.option("--label-map", cls=RenamedOption, formerly="--map", type=click.Path(path_type=Path),
                     help="Table of the columns label, class and, if need be, corpus. [default: labels of the same"
                     " name]"),
        click.option("--normalise", type=click.Choice(["none", "corpus", "both"]), default="both", show_default=True,
                     help="Standardise each corpus by its own unlabelled clips (TRANSDUCTIVE), or not, or grade both."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def check_across(train_caches: Sequence[Path], test_caches: Sequence[Path]) -> bool:
    """Whether another corpus is to be tested on.

    Raises
    ------
    click.UsageError
        Where options do not go together.
    """
    context = click.get_current_context()
    if not train_caches and not test_caches:
        if options := _given_options(context, _TWO_CORPORA):
            raise click.UsageError(
                f"{options[0]} speaks of two corpora: name them with --train-cache and --test-cache", context
            )
        return False
    if options := _given_options(context, _ONE_CORPUS):
        raise click.UsageError(
            f"{' and '.join(options)} and --train-cache do not go together: a test on another corpus has one fold, the"
            " test corpus whole, its labels from --label-map, and learns from clean clips",
            context,
        )
    if len(train_caches) != len(test_caches):
        raise click.UsageError(
            f"expected a --test-cache for every --train-cache, got {len(train_caches)} of --train-cache and"
            f" {len(test_caches)} of --test-cache",
            context,
        )
    return True


def cross_plan(
    train_caches: Sequence[Path],
    test_caches: Sequence[Path],
    label_map: Path | None,
    normalise: str,
    options: Mapping[str, Any],
) -> "CrossPlan":
    """Make the plan of a test on another corpus; `options` are those that it shares with a test on its own.

    Raises
    ------
    CacheError
        Where there is no cache at one of the places, or more than one.
    """
    from ravfeat.cache import resolve_cache
    from ravfeat.crosscorpus import CrossPlan

    pairs = tuple(zip(map(resolve_cache, train_caches), map(resolve_cache, test_caches), strict=True))
    show_absent(path for pair in pairs for path in pair)
    return CrossPlan(pairs, label_map=label_map, normalise=normalise, **options)  # type: ignore[arg-type]  # click.Choice keeps it to these


def _given_options(context: click.Context, options: Mapping[str, str]) -> list[str]:
    # By source, not by value: who writes a default out has still asked for it.
    default = click.core.ParameterSource.DEFAULT
    return [option for name, option in options.items() if context.get_parameter_source(name) is not default]


def show_across(about: Mapping[str, Any]) -> None:
    """Print who was trained on, who was tested on, and what was left out; nothing of a run on one corpus."""
    if "cross_corpus" not in about:
        return
    across, first = about["cross_corpus"], about["caches"][0]
    sides = {side["split"]: side for side in first["folds"]}
    people = {
        corpus: f"{sum(len(sides[name]['actors']) for name in splits)} actors,"
        f" {sum(sides[name]['clips'] for name in splits)} clips"
        for corpus, splits in (("train", ("train", "val")), ("test", ("test",)))
    }
    chosen = "inner folds of them" if about["select"] == "nested" else f"{len(sides['val']['actors'])} of them"
    echo(
        f"trained on {across['train']} ({people['train']}; chosen on {chosen}), tested on {across['test']}"
        f" ({people['test']}); classes {', '.join(about['classes'])}"
    )
    for side in ("train", "test"):
        if left_out := first["left_out_labels"][side]:
            listing = ", ".join(f"{label} {n}" for label, n in left_out.items())
            echo(f"left out of {across[side]}: {sum(left_out.values())} clips of labels in no class ({listing})")
    for name in dict.fromkeys(across["transductive"]):
        echo(
            f"{name}: TRANSDUCTIVE, each corpus standardised by all its own unlabelled clips, those of"
            f" {across['test']} among them"
        )
    if across["kept_apart"]:
        echo("not fused: normalised and plain systems are never mixed; fuse with --normalise none or corpus")
