"""The options of commands that read tables of clips: which column is which, and names that are meant as written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["as_written_option", "columns_option", "corpus_option", "data_option", "parse_columns"]

F = TypeVar("F", bound=Callable[..., Any])


def corpus_option(command: F) -> F:
    """Add --corpus to a command."""
    return click.option(
        "--corpus", default="ravdess", show_default=True, metavar="NAME",
        help="ravdess, crema-d, emodb, savee, tess, iemocap, meld, msp-podcast, esd, emobox, folder (any table), synth,"
        " one that a package brings, or path.py:NAME; 'ravfeat list corpora' says more.",
    )(command)  # fmt: skip


def data_option(command: F) -> F:
    """Add --data to a command."""
    return click.option(
        "--data", type=click.Path(path_type=Path),
        help="Folder of the corpus as it is distributed; for --corpus folder a table of path, label,"
        " actor (or speaker) in CSV, JSON lines or Parquet, or a folder of Kaldi, lhotse, audformat or audiofolder."
        " [default: data/<corpus>]",
    )(command)  # fmt: skip


def as_written_option(command: F) -> F:
    """Add --as-written to a command."""
    return click.option(
        "--as-written", "as_written", multiple=True, metavar="NAME",
        help="An actor, label or performance that is meant as it is written: 3 beside 03, or None; repeat for more."
        " [default: such names are refused]",
    )(command)  # fmt: skip


def columns_option(flag: str = "--columns") -> Callable[[F], F]:
    """Add the option to a command that says which columns of a corpus's table are meant."""
    return click.option(
        flag, "columns", multiple=True, metavar="NAME=COLUMN",
        help="Which column of the table holds the path, actor, label, performance, gender, clip_id, start or end:"
        " actor=person,label=emotion; for --corpus folder. [default: columns of that or a common name]",
    )  # fmt: skip


def parse_columns(options: Sequence[str], flag: str = "--columns") -> dict[str, str]:
    """Read NAME=COLUMN options, several in one with commas between.

    Raises
    ------
    click.UsageError
        For what is not of that form, and for a name twice.
    """
    columns: dict[str, str] = {}
    for part in (part for option in options for part in option.split(",")):
        name, _, column = (text.strip() for text in part.partition("="))
        if not name or not column:
            raise click.UsageError(f"{flag} '{part}': expected NAME=COLUMN, such as actor=person")
        if columns.setdefault(name, column) != column:
            raise click.UsageError(f"{flag} gives two columns for '{name}', '{columns[name]}' and '{column}'")
    return columns
