"""The options of ``ravfeat fit-heads`` that train on one corpus and test on another."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.terminal import echo

__all__ = ["across_options", "show_across", "show_normalised"]

F = TypeVar("F", bound=Callable[..., Any])


def across_options(command: F) -> F:
    """Add the options to a command."""
    options = (
        click.option("--train-cache", "train_caches", type=click.Path(path_type=Path), multiple=True,
                     help="Train on this corpus and test on another; repeat for more streams, each with its"
                     " --test-cache."),
        click.option("--test-cache", "test_caches", type=click.Path(path_type=Path), multiple=True,
                     help="The other corpus, by the same encoder; matched with --train-cache in the order given."),
        click.option("--label-map", cls=RenamedOption, formerly="--map", type=click.Path(path_type=Path),
                     help="Table of the columns label, class and, if need be, corpus: which class a label stands for."
                     " Of one corpus it names every label, with an empty class for clips to leave out; of two, labels"
                     " that it does not name are left out. [default: labels as they are; of two corpora, those of the"
                     " same name]"),
        click.option("--normalise", type=click.Choice(["none", "actor", "corpus", "both"]),
                     show_default="none; of two corpora both",
                     help="TRANSDUCTIVE: standardise each actor by all their unlabelled clips, test actors too; of two"
                     " corpora each by its own clips, or grade both without and with it."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


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


def show_normalised(about: Mapping[str, Any]) -> None:
    """Print of a run on one corpus which features were standardised with clips that are tested."""
    if "cross_corpus" not in about:
        for name in dict.fromkeys(entry["features"] for entry in about["caches"] if entry.get("transductive")):
            echo(
                f"{name}: TRANSDUCTIVE, each actor standardised by all their unlabelled clips, those that are tested"
                " among them"
            )
